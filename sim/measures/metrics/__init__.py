"""The metrics of a run, one module for each group."""
