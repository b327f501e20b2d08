"""When and how often to try again: retry policies, backoff, jitter, budgets, circuit breakers, presets."""
