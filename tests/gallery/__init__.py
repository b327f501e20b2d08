"""Recovery cores with one subtle, realistic defect each, which a search has to find."""
