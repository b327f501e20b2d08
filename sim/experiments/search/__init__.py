"""Hunts for a schedule of faults that breaks an invariant or an expectation, and shrinks it."""
