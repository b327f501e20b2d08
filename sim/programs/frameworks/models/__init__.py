"""A simulated language-model service: latency, rate limits, faults, prices, and a ledger of what was paid.

It is independent of agent frameworks; `sim.programs.frameworks.pydantic_ai` and `.openai_agents` make it a model of
theirs.
"""

from sim.programs.frameworks.models.answers import Answer, ToolCall
from sim.programs.frameworks.models.errors import ConnectionLost, ModelError, RateLimited, ServerError, TimedOut
from sim.programs.frameworks.models.faults import FAULTS, Outage
from sim.programs.frameworks.models.ledger import Call, Ledger
from sim.programs.frameworks.models.prices import Price
from sim.programs.frameworks.models.requests import Message, ModelRequest
from sim.programs.frameworks.models.scripts import scripted, seeded
from sim.programs.frameworks.models.service import ModelService

__all__ = [
    "FAULTS",
    "Answer",
    "Call",
    "ConnectionLost",
    "Ledger",
    "Message",
    "ModelError",
    "ModelRequest",
    "ModelService",
    "Outage",
    "Price",
    "RateLimited",
    "ServerError",
    "TimedOut",
    "ToolCall",
    "scripted",
    "seeded",
]
