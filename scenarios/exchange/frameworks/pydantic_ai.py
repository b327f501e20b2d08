"""Pydantic AI: `RetryConfig` of its HTTP transports, as Python.

Source: Pydantic AI documentation, "HTTP Request Retries", and `pydantic_ai.retries`: RetryConfig has the arguments of
tenacity's `retry`, with its defaults, as `scenarios.exchange.frameworks.tenacity` describes them.
"""

from __future__ import annotations

from dataclasses import replace

from scenarios.exchange import python_source as python
from scenarios.exchange.framework import Written
from scenarios.exchange.frameworks import tenacity
from scenarios.exchange.portable import Portable


def write(portable: Portable, how: Written) -> str:
    """The policy as a RetryConfig."""
    made = {**tenacity.arguments_of(portable), "reraise": "True"}
    text = python.call("RetryConfig", made, "retry_config = ")
    imports = "from pydantic_ai.retries import RetryConfig\n" + tenacity.imports_of(tenacity.used_names(text))
    return python.comment((*how.comments, "use: AsyncTenacityTransport(config=retry_config)")) + imports + text + "\n"


def read(text: str, source: str) -> Portable:
    """The one `RetryConfig(…)` of a source."""
    reader = tenacity.reader_of(text, source)
    one = reader.one(["RetryConfig"])
    reader.check(one, ("wait", "stop", "retry", *tenacity.OTHERS))
    return tenacity.portable_of(reader, one)


PYDANTIC_AI = replace(
    tenacity.TENACITY,
    name="pydantic-ai",
    title="Pydantic AI RetryConfig; stop_after_attempt includes the first attempt",
    source="Pydantic AI documentation, HTTP Request Retries; pydantic_ai.retries",
    write=write,
    read=read,
)
