"""A scenario in words: what `recovery-bench show` prints."""
