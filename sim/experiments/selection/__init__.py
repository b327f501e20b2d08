"""The best of several settings."""
