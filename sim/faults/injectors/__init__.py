"""One module per target of faults: the effect of a fault at its start and at its end."""
