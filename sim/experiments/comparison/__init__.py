"""Two settings on common random numbers."""
