"""The base class of every error that Recovery Bench raises, and the text of an error in a record."""


class RecoveryBenchError(Exception):
    """Base class of the errors that `recovery`, `scenarios` and `sim` define. The message is meant for people."""


def error_text(error: BaseException) -> str:
    """The type and the message of an error: `OSError: disk full`."""
    return f"{type(error).__name__}: {error}"
