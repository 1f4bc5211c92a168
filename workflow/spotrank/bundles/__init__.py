"""A model to take away: what it is, what to expect of it, and how far from home a slide is."""
