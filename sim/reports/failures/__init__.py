"""What does not hold: which runs show it, events as text, and how to repeat the runs."""
