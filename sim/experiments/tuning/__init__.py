"""Searches the policy space of a scenario with Optuna, and verifies what it finds on fresh replications."""
