"""The commands and procedures of the runbook, and the managers that execute them."""
