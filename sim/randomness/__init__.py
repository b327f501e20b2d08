"""Named random streams of one seed, and trajectories that branch off with other draws."""
