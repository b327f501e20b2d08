"""The ports through which the recovery core sees and changes the world, and the audit trail that it writes."""
