"""A travel agency of agents: a planner, workers with tools, a checkpointer and a supervisor; one sound, one broken.

`sound` and `broken` are the same program, and differ in the functions that `defects` names. `services` is what is
outside of it.
"""
