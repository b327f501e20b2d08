"""Agents, queue, resources, network and load: SimPy processes that implement the core's ports."""
