"""The commands of `recovery-bench`, one module each."""
