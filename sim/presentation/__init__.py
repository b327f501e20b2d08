"""Presentation of figures: numbers as text, phrases, axes, colors."""
