"""The runbook: its catalogue of failures, their instructions and procedures, and the parser of its files."""

from recovery.runbook.catalogue import Runbook, documented, load, loads
from recovery.runbook.parser import RunbookError

__all__ = ["Runbook", "RunbookError", "documented", "load", "loads"]
