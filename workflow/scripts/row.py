"""Choose the row of a study's table that its bundle is of."""

from spotrank.base.store import job, write_texts

with job(snakemake.log[0]):
    import json

    import pandas as pd

    from spotrank.base.store import InputError
    from spotrank.bundles.row import choose
    from spotrank.verdicts import compare
    from spotrank.verdicts.summary import KEYS

    if isinstance(snakemake.params.named, str):
        raise InputError(snakemake.params.named)
    words = dict.fromkeys([*KEYS, "leak", "holes"], str)
    summary = pd.read_csv(snakemake.input.summary, sep="\t", dtype=words, keep_default_na=False,
                          na_values={"spearman_mean": [""]})  # fmt: skip
    comparisons = compare.read(snakemake.input.comparisons)
    row, untold = choose(summary, comparisons, snakemake.params.named)
    found = summary[(summary[KEYS] == pd.Series(row)).all(axis=1)].iloc[0]
    about = {"row": row, "untold": untold, "leak": found["leak"]}
    write_texts({snakemake.output[0]: json.dumps(about, indent=1, ensure_ascii=False)})
