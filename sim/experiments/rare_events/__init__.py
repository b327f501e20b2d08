"""Probabilities of rare events, by adaptive multilevel splitting."""
