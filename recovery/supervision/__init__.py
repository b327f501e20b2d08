"""Automatic recovery: the supervisor, its retry loop, and the escalation of what cannot be recovered."""
