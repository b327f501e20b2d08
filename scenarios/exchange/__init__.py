"""Retry policies to and from the terms of other frameworks, and files of policies."""
