"""Common parts of all results: files, comparison by content, and tables in notebooks."""
