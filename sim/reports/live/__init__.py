"""The live view of a run: what a terminal shows at each moment of its virtual time."""
