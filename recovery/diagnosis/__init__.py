"""Diagnosis: evidence, ranking of runbook entries, impact, explanation, and the verification of a recovery."""
