"""The base class of every error that Recovery Bench raises."""


class RecoveryBenchError(Exception):
    """Base class of the errors that `recovery`, `scenarios` and `sim` define. The message is meant for people."""
