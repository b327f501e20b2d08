"""What is observed of running recoveries: snapshots, alerts, reports and telemetry."""
