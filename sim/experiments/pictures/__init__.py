"""Pictures of results: `result.plot`, `comparison.plot` and `sweep.plot`. Nothing else of the experiments draws."""
