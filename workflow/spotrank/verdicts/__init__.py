"""Scores in, what can be said of them out: means with intervals, and which differences are real."""
