"""The page of a study: one file of HTML that shows everything there is to look at."""
