"""Vectors and counts in, predictions out; validation looks at `scoring`, never the reverse."""
