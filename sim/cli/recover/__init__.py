"""The `recovery-bench recover` commands: the documented manual procedures against a live store."""
