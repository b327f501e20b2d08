"""What a recovery does: the commands and procedures of the runbook, and the managers that carry them out."""
