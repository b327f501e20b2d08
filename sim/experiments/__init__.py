"""Experiments: many runs of a scenario, and statistics over them."""
