"""Agents: the execution of tasks, heartbeats, crashes, slowdowns and restarts."""
