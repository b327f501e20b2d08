"""What a failure is: evidence, ranked candidates, impact, the explanation, and the verification of a recovery."""
