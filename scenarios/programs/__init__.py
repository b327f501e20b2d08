"""Asyncio programs of agents that ship as examples: of power cuts, and of orders of what is ready."""
