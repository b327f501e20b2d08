"""The sections of a scenario file."""
