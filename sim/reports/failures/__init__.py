"""Explains what does not hold: which runs show it, the events before it, and how to repeat it."""
