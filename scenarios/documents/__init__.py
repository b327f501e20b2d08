"""Scenario files as YAML documents: line numbers, inheritance, file references, overrides."""
