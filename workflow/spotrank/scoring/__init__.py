"""Predictions and counts in, correlations and errors out."""
