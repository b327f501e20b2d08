"""When and how often a recovery is retried: retry policies, backoff, jitter, budgets, circuit breakers, presets."""
