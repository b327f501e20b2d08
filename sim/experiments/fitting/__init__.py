"""Fits a scenario to a task log of a production system."""
