"""Replications of one scenario, on one process or many, and their intervals."""
