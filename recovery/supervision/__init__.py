"""Automatic recovery: failures in, bounded parallel recoveries out, escalation of the rest."""
