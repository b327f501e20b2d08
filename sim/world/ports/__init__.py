"""The ports through which the recovery core observes and changes the world, and the audit trail that it writes."""
