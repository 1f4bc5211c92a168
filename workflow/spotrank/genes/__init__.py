"""Which genes are predicted."""
