"""What a call of the service raises. The adapters translate it to the errors of their framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recovery.errors import RecoveryBenchError


class ModelError(RecoveryBenchError):
    """A call of the service failed. `status` is the HTTP status; None if no response arrived."""

    status: int | None = None
    code = "error"

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response."""
        return {}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response."""
        return {"code": self.code, "message": str(self)}


class RateLimited(ModelError):
    """The rate limit is reached. `retry_after` is a whole number of seconds; None: the request never fits."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> Mapping[str, str]:
        """`Retry-After`, in seconds; `x-should-retry: false` if the request never fits."""
        return {"x-should-retry": "false"} if self.retry_after is None else {"retry-after": str(self.retry_after)}


class ServerError(ModelError):
    """The service failed to answer, with the status 500 or 503."""

    code = "server_error"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class TimedOut(ModelError):
    """The client has waited `timeout` seconds. The answer may have been computed, and paid, all the same."""

    code = "timeout"

    def __init__(self, message: str, timeout: float) -> None:
        super().__init__(message)
        self.timeout = timeout


class ConnectionLost(ModelError):
    """The request did not reach the service."""

    code = "connection_error"
