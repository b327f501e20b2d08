"""The real recovery core in a simulated world: on one node, or on several of which one leads."""
