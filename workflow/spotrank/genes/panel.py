"""Choose the genes to predict, and keep them in a file."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd

from spotrank.base.store import InputError, damaged, in_a_line, read_text
from spotrank.base.words import nearest
from spotrank.genes.selections import SELECTIONS
from spotrank.spots import features
from spotrank.spots.split import parts

RECORD = "# record "  # before the record in a panel's file


def of_fold(of, spots, cohort):
    """The genes of a fold: a DataFrame `gene, score`, the best first.

    of: what decides them, see `made_by.panel`; spots: `{sample: AnnData of pair}` of all samples
    that the fold may look at. Raises `InputError` where they can't be compared, and as those below.
    """
    all_genes = {sample: adata.var_names for sample, adata in spots.items()}
    features.check_kinds(all_genes, f"cohorts.{cohort}")
    features.check_shared(all_genes, f"cohorts.{cohort}")
    genes = of["genes"]
    if "file" in genes:
        return from_file(genes["file"], all_genes)
    if "ranking" in genes:
        return ranking_from_file(genes["ranking"], all_genes)
    seen = looked_at(spots, of["fold"], genes["samples"], of["gap_um"], of["min_spots"])
    return choose(seen, genes["selection"], genes["number"], all_genes)


def looked_at(spots, fold, samples, gap, min_spots):
    """The part of `spots` (`{sample: AnnData}`) that a selection may look at, as such a dict.

    samples: 'all', or 'train': the training spots of the fold (see `split.parts`; gap in µm), of
    which `min_spots` must have a gene.
    """
    if samples == "all":
        return spots
    chosen = {}
    for sample in fold["train"]:
        own = spots[sample]
        place = own.obsm["spatial"] * own.uns["pixel_size_um"]
        own = own[parts(fold, sample, place, gap) == "train"].copy()
        own.var["n_spots"] = own.X.getnnz(0)
        own.var["passed"] = own.var["n_spots"] >= min_spots
        chosen[sample] = own
    return chosen


def choose(samples, selection, number, all_genes=None):
    """Choose genes by their score in `samples` (`{sample: AnnData of pair}`).

    all_genes: `{sample: gene names}` of every sample of the cohort; a panel gene must be measured
    in all. Genes must have passed QC in each of `samples`. number: how many, or 'all'.
    Returns a DataFrame `gene, score`, best first (ties by name). Raises `InputError` when genes
    are fewer than `number`.
    """
    candidates = sorted(
        set.intersection(
            *(set(own.var_names[own.var["passed"]]) for own in samples.values()),
            *map(set, all_genes.values()),
        )
    )
    if not candidates:
        sample, own = min(samples.items(), key=lambda item: item[1].var["passed"].sum())
        raise InputError(
            f"no gene can be chosen, for none passes in every sample: '{sample}' has the fewest, "
            f"{own.var['passed'].sum()} that are in spots.min_spots of its {own.n_obs} spots; "
            "lower that or leave the sample out."
        )
    samples = [own[:, candidates] for own in samples.values()]
    score = SELECTIONS[selection](samples, number)
    panel = pd.DataFrame({"gene": candidates, "score": score}).dropna()
    panel = panel.sort_values(["score", "gene"], ascending=[False, True], ignore_index=True)
    if number == "all":
        return panel
    if len(panel) < number:
        raise InputError(
            f"config: genes.number is {number}, but only {len(panel)} genes can be chosen by "
            f"'{selection}'; lower it."
        )
    return panel.head(number)


def save(genes, path, record):
    """Write genes and scores as TSV, and below them the record of their provenance and a hash: a
    list cut short is still a list."""
    text = genes.to_csv(sep="\t", index=False) + f"{RECORD}{json.dumps(record)}\n"
    path.write_text(f"{text}# sha256 {_sha256(text)}\n", encoding="utf-8")


def load(path):
    """The genes that `save` wrote, and their record; `InputError` if the file is damaged."""
    text = Path(path).read_bytes().decode(errors="replace")
    text, _, sha256 = text.rpartition("# sha256 ")
    if sha256.strip() != _sha256(text):
        raise damaged(path, "its hash is another")
    text, _, record = text.rpartition(RECORD)
    table = pd.read_csv(io.StringIO(text), sep="\t", dtype=str, keep_default_na=False)
    return table["gene"].tolist(), json.loads(record)


def _sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def from_file(path, all_genes):
    """The panel written in a file: text, a gene a line, or HEST-Benchmark's JSON with `genes`.

    Raises `InputError` for another kind of file, or if a sample lacks a gene.
    """
    genes = _of_json(path) if Path(path).suffix == ".json" else read_text(path).split()
    if not genes or len(set(genes)) < len(genes):
        what = "names no gene" if not genes else "names a gene twice"
        raise InputError(f"{path}: {what}; write each once.")
    for sample, names in all_genes.items():
        for gene in genes:
            if gene not in names:
                raise InputError(
                    f"{path}: the gene '{gene}' is not measured in the sample '{sample}', or not "
                    f"the only one of that symbol{nearest(gene, names)}; leave it out."
                )
    return pd.DataFrame({"gene": genes, "score": np.nan})


def _of_json(path):
    try:
        genes = json.loads(read_text(path))["genes"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"{path}: has no list 'genes' ({in_a_line(error)}); get it again."
        ) from None
    if not isinstance(genes, list) or not all(isinstance(gene, str) for gene in genes):
        raise InputError(f"{path}: 'genes' is no list of names; get it again.")
    return genes


def ranking_from_file(path, all_genes):
    """Genes by the scores of a table `gene, score` (TSV), the highest first.

    Genes that some sample lacks are left out. Raises `InputError` for another kind of file.
    """
    try:
        table = pd.read_csv(io.StringIO(read_text(path)), sep="\t", dtype={"gene": str})
        table = table.astype({"score": float}).drop_duplicates("gene")
    except (ValueError, KeyError) as error:
        raise InputError(
            f"{path}: not a table of 'gene' and 'score', separated by tabs ({in_a_line(error)}); "
            "mend it."
        ) from None
    table = table[table["gene"].isin(set.intersection(*map(set, all_genes.values())))]
    return table.sort_values(["score", "gene"], ascending=[False, True])[["gene", "score"]]
