"""Exports of other systems as task logs, one module per system."""
