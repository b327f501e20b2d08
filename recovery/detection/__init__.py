"""Failure detection: heartbeats, phi accrual, stalled tasks, failed deliveries, resource probes, orphaned tasks."""
