"""Asyncio programs that are not ours, run on the loop of the simulator: power cuts, and orders of what is ready."""
