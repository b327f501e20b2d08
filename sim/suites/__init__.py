"""Suites: many scenario files, run and judged together for a pipeline, with reports that its tools read."""
