"""The frameworks that policies are exchanged with, one module each."""

from __future__ import annotations

from scenarios.exchange.framework import Framework
from scenarios.exchange.frameworks.aws import AWS
from scenarios.exchange.frameworks.celery import CELERY
from scenarios.exchange.frameworks.dapr import DAPR
from scenarios.exchange.frameworks.dbos import DBOS
from scenarios.exchange.frameworks.kubernetes import KUBERNETES
from scenarios.exchange.frameworks.langgraph import LANGGRAPH
from scenarios.exchange.frameworks.openai_agents import OPENAI_AGENTS
from scenarios.exchange.frameworks.pydantic_ai import PYDANTIC_AI
from scenarios.exchange.frameworks.resilience4j import RESILIENCE4J
from scenarios.exchange.frameworks.restate import RESTATE
from scenarios.exchange.frameworks.stamina import STAMINA
from scenarios.exchange.frameworks.stepfunctions import STEPFUNCTIONS
from scenarios.exchange.frameworks.temporal import TEMPORAL
from scenarios.exchange.frameworks.tenacity import TENACITY

FRAMEWORKS: dict[str, Framework] = {
    framework.name: framework
    for framework in (
        TEMPORAL,
        CELERY,
        TENACITY,
        STAMINA,
        STEPFUNCTIONS,
        KUBERNETES,
        DAPR,
        RESILIENCE4J,
        AWS,
        DBOS,
        RESTATE,
        LANGGRAPH,
        OPENAI_AGENTS,
        PYDANTIC_AI,
    )
}
"""Every framework by its name on the command line."""
