"""One sample's spots and patches, what a spot expresses, and who trains on it."""
