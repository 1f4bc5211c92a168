"""Predictions and counts in, correlations and errors out."""

CEILINGS = (  # columns of `ceiling.ceilings` that scores carry
    "ceiling_spearman", "ceiling_pearson", "ceiling_spearman_sd", "ceiling_pearson_sd",
    "ceiling_flag",
)  # fmt: skip
