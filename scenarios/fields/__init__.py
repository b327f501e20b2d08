"""Types of single values: quantities, distributions, metrics, expectations."""
