"""How figures look: numbers as text, phrases, axes, colors."""
