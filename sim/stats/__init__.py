"""Estimates, intervals, paired differences, ranking and selection, precision."""
