"""From a slide without counts to predictions on it, and how far they are from home."""
