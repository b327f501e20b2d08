"""Named random streams of one seed, and trajectories that branch with new draws."""
