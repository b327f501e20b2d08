"""How recoveries share time: fair semaphores, per-subject locks, bounded concurrency, pacing and breaker gates."""
