"""Agents: what they execute, how they beat, crash, slow down and are restarted."""
