"""Recovery by an operator: plans as files, authorization, and the documented manual procedures."""
