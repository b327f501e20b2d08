"""The metrics of a run, one module per group."""
