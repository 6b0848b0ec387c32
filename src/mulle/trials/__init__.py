"""Statistics of trust: honest estimates, paired gains, how sure they are, and what would decide."""
