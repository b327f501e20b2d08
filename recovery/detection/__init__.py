"""How failures are noticed: heartbeats, phi accrual, stalled tasks, failed deliveries, resource probes, orphans."""
