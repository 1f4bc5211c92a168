"""Sources: where the samples of a cohort come from, and how files of each kind are read."""
