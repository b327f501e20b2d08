"""Monitoring of running recoveries: snapshots, alerts, reports and telemetry."""
