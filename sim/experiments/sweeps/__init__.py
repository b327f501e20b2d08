"""Many settings, in a folder that can be resumed."""
