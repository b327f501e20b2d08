"""The defaults of well-known brokers and engines for `queue` and `recovery.detection`, with the source of each.

A preset sets the keys of its section that are not given. Those of retry policies are in `recovery.policies.presets`.
The first line of each docstring is the meaning that `show` and the reference print.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from scenarios.errors import Path

Values = Mapping[str, Any]
"""Values by key of a section; durations in seconds."""
HOUR, MINUTE = 3600.0, 60.0


def celery() -> Values:
    """Acknowledged before the execution (acks_late is off): no delivery is repeated, whatever happens to its worker.

    Source: Celery, "Configuration and defaults": `task_acks_late` is disabled by default, which acknowledges a message
    just before its task is executed.
    """
    return {"ack_timeout": None, "max_deliveries": None}


def celery_redis() -> Values:
    """acks_late with Redis: what is not acknowledged within the visibility timeout of 1 h is delivered again.

    Source: Celery, "Using Redis: Visibility timeout": 1 hour by default, `visibility_timeout` in
    `broker_transport_options`, without a limit of deliveries. A task that is longer is executed again while it runs.
    """
    return {"ack_timeout": HOUR, "max_deliveries": None}


def celery_sqs() -> Values:
    """acks_late with SQS: what is not acknowledged within the visibility timeout of 30 min is delivered again.

    Source: `kombu.transport.SQS.Channel` of Kombu 5.6, `default_visibility_timeout = 1800  # 30 minutes`, which creates
    its queues with this timeout and without a redrive policy; Celery, "Using Amazon SQS: Visibility Timeout".
    """
    return {"ack_timeout": 30 * MINUTE, "max_deliveries": None}


def rabbitmq() -> Values:
    """Quorum queue: what is not acknowledged within 30 min is delivered again, 21 deliveries at most.

    Source: RabbitMQ, "Consumers: Delivery Acknowledgement Timeout", and `deps/rabbit/Makefile` of rabbitmq-server:
    `{consumer_timeout, 1800000}`, 30 minutes; "Quorum Queues: Poison Message Handling": `x-delivery-limit` 20 since
    4.0, which counts deliveries after the first. A broker also redelivers when a connection closes: that is the
    detection of the preset `rabbitmq` of `recovery.detection`.
    """
    return {"ack_timeout": 30 * MINUTE, "max_deliveries": 21}


def sqs() -> Values:
    """What is not deleted within the visibility timeout of 30 s is delivered again, without a limit.

    Source: Amazon SQS Developer Guide, "Visibility timeout": 30 seconds by default; a dead-letter queue with its
    `maxReceiveCount` exists only where a redrive policy is set.
    """
    return {"ack_timeout": 30.0, "max_deliveries": None}


def pubsub() -> Values:
    """What is not acknowledged within the deadline of 10 s is delivered again, without a limit.

    Source: Google Cloud Pub/Sub, "Lease management": `ackDeadlineSeconds` 10 by default; dead-letter topics are off.
    Its client libraries extend the deadline while a task is executed; without them, tasks have to be shorter.
    """
    return {"ack_timeout": 10.0, "max_deliveries": None}


def azure_service_bus() -> Values:
    """What is not completed within the lock of 1 min is delivered again, 10 deliveries at most.

    Source: Azure Service Bus, "Message transfers, locks, and settlement": the default of the lock duration is 1 minute;
    "Dead-letter queues": MaxDeliveryCount is 10 by default.
    """
    return {"ack_timeout": MINUTE, "max_deliveries": 10}


def temporal() -> Values:
    """No delivery is repeated by the task queue: a timeout of the activity or the workflow leads to the next attempt.

    Source: Temporal, "Detecting activity failures": an Activity Task is delivered once, and Start-To-Close and
    Heartbeat Timeouts detect the loss of its worker. `tasks.timeout` is the former, `recovery.detection` the latter.
    """
    return {"ack_timeout": None, "max_deliveries": None}


def temporal_heartbeats() -> Values:
    """An attempt without a heartbeat for the Heartbeat Timeout, 30 s here, is lost: one missed heartbeat.

    Source: Temporal, "Detecting activity failures: Heartbeat Timeout". It has no default; 30 s is the interval at which
    its SDKs send heartbeats where none is set (`defaultHeartbeatThrottleInterval`). Another Heartbeat Timeout is given
    as `heartbeat_interval`.
    """
    return {"detector": "heartbeat", "heartbeat_interval": 30.0, "missed_heartbeats": 1}


def rabbitmq_heartbeats() -> Values:
    """A heartbeat every 30 s, and a connection is lost after two missed ones: the heartbeat timeout of 60 s.

    Source: RabbitMQ, "Detecting Dead TCP Connections with Heartbeats and TCP Keepalives": the server suggests 60 s,
    frames are sent about every timeout / 2, and after two missed heartbeats the peer is considered unreachable.
    """
    return {"detector": "heartbeat", "heartbeat_interval": 30.0, "missed_heartbeats": 2}


def kafka_heartbeats() -> Values:
    """A heartbeat every 3 s, and a consumer is lost after 45 s.

    Source: Apache Kafka, "Consumer Configs": `heartbeat.interval.ms` 3000, `session.timeout.ms` 45000.
    """
    return {"detector": "heartbeat", "heartbeat_interval": 3.0, "missed_heartbeats": 15}


def kubernetes_heartbeats() -> Values:
    """A node renews its lease every 10 s, and is unhealthy after 50 s.

    Source: Kubernetes, "Nodes: Heartbeats": the kubelet updates its Lease every 10 seconds; kube-controller-manager:
    `--node-monitor-grace-period` 50 s (40 s before 1.32), `--node-monitor-period` 5 s. That its pods stay for another
    300 s (`tolerationSeconds`) is a delay of the recovery, not of the detection.
    """
    return {"detector": "heartbeat", "heartbeat_interval": 10.0, "missed_heartbeats": 5, "poll": 5.0}


def ray_heartbeats() -> Values:
    """A health check every 3 s, and a node is lost after five failed ones.

    Source: Ray, `ray_config_def.h`: `health_check_period_ms` 3000, `health_check_failure_threshold` 5.
    """
    return {"detector": "heartbeat", "heartbeat_interval": 3.0, "missed_heartbeats": 5}


def airflow_heartbeats() -> Values:
    """A task sends a heartbeat every 5 s, and is a zombie after 300 s; the scheduler looks every 10 s.

    Source: Apache Airflow 2, "Configuration Reference" and `airflow/config_templates/config.yml`, [scheduler]:
    `job_heartbeat_sec` 5, `scheduler_zombie_task_threshold` 300, `zombie_detection_interval` 10.0. The interval
    `scheduler_heartbeat_sec`, also 5, is that of the scheduler itself.
    """
    return {"detector": "heartbeat", "heartbeat_interval": 5.0, "missed_heartbeats": 60, "poll": 10.0}


def akka_heartbeats() -> Values:
    """Phi accrual over a heartbeat every 1 s: a threshold of 8, and pauses of 3 s are acceptable.

    Source: Akka, `reference.conf` of akka-cluster, failure-detector: `heartbeat-interval` 1 s, `threshold` 8.0,
    `max-sample-size` 1000, `min-std-deviation` 100 ms, `acceptable-heartbeat-pause` 3 s.
    """
    return {
        "detector": "phi_accrual",
        "heartbeat_interval": 1.0,
        "phi_threshold": 8.0,
        "phi_window": 1000,
        "phi_min_deviation": 0.1,
        "phi_acceptable_pause": 3.0,
    }


Presets = Mapping[str, Callable[[], Values]]
QUEUES: Presets = MappingProxyType(
    {
        "celery": celery,
        "celery-redis": celery_redis,
        "celery-sqs": celery_sqs,
        "rabbitmq": rabbitmq,
        "sqs": sqs,
        "pubsub": pubsub,
        "azure-service-bus": azure_service_bus,
        "temporal": temporal,
    }
)
"""The presets of `queue` and of each of `queues` by name."""
PREFETCHED_PER_SLOT: Mapping[str, int] = MappingProxyType({"celery": 4, "celery-redis": 3, "celery-sqs": 3})
"""The deliveries that an agent takes beyond those that it works on, for each of its slots, by preset of the queue.

Celery, "Configuration and defaults": `worker_prefetch_multiplier` 4, "how many messages to prefetch at a time
multiplied by the number of concurrent processes". With acks_late these include the tasks that are executed, without it
they do not. A consumer of RabbitMQ sets its own limit (`basic.qos`), and has none otherwise; a request to SQS returns
one message, clients of Azure Service Bus have a prefetch count of 0, and workers of Temporal ask for a task when a slot
is free: by default nothing is prefetched.
"""
DETECTIONS: Presets = MappingProxyType(
    {
        "temporal": temporal_heartbeats,
        "rabbitmq": rabbitmq_heartbeats,
        "kafka": kafka_heartbeats,
        "kubernetes": kubernetes_heartbeats,
        "ray": ray_heartbeats,
        "airflow": airflow_heartbeats,
        "akka": akka_heartbeats,
    }
)
"""The presets of `recovery.detection` by name."""


def with_preset(data: Any, presets: Presets) -> Any:
    """A section with the values of its preset for keys that it does not have; what names no preset as it is."""
    name = data.get("preset") if isinstance(data, Mapping) else None
    if not isinstance(name, str) or name not in presets:
        return data
    return {**presets[name](), **data}


def presets_at(section: Path) -> Presets | None:
    """The presets of the section at a path; None if it is neither a queue nor the detection."""
    if section[:1] in {("queue",), ("queues",)}:
        return QUEUES
    return DETECTIONS if section == ("recovery", "detection") else None


def keys_of(presets: Presets) -> tuple[str, ...]:
    """The keys that any of the presets sets."""
    return tuple(dict.fromkeys(key for preset in presets.values() for key in preset()))
