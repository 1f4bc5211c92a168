"""Which of the things that were counted are genes, which of them mitochondrial, which one gene."""

import re
from collections import Counter

import numpy as np
import pandas as pd

from spotrank.base.store import RESOURCES, InputError

# controls by their whole names, in any case; R turns "_" into "-" or "."
CONTROLS = (
    r"BLANK[_.-]?\d+",  # Xenium, MERSCOPE, MERFISH
    r"NegControl(Probe|Codeword)[_.-].+",  # Xenium
    r"antisense[_.-].+",
    r"(Unassigned|Deprecated)Codeword[_.-]\d+",
    r"Intergenic[_.-]Region[_.-]\d+",
    r"(NegPrb|NegAdd|Negative|SystemControl|FalseCode|Custom)[_.-]?\d+",  # CosMx
    r"NegProbe-.+",  # GeoMx
    r"notarget[_.-]?\d+",  # MERFISH
    r"DEPRECATED[_.-]ENS.+",  # probe sets of Visium FFPE and HD
    r"non[_.-]?targeting.*",  # guides
    r"ERCC[_.-]\d{5}",  # spike-ins
)
CONTROL = re.compile("|".join(CONTROLS), re.IGNORECASE)
GENE = "Gene Expression"  # type of a gene where 10x tells types

# in "GRCh38_MT-ND1", "mm10___mt-Nd1"
GENOME = r"(?:(?:GRC[a-z]|hg|mm|rn|dm|mRatBN|BDGP)\d+(?:\.\w+)?[_-]+)"
MITOCHONDRIAL = re.compile(rf"{GENOME}?mt[-:].*", re.IGNORECASE)
MITOCHONDRIAL_IDS = RESOURCES / "mitochondrial.tsv"  # a column a species
WHOLE_TRANSCRIPTOME = 10_000  # genes, among which some are mitochondrial
VERSION = r"(?<=\d)\.\d+$"  # of an Ensembl id
MADE_UNIQUE = re.compile(r"(.+?)([-.])(\d+)")  # by anndata ("TBCE-1") or R ("TBCE.1")
KINDS = {  # of names, the first that nearly all of them are
    "Ensembl ids with versions": r"ENS[A-Z]*G\d{11}\.\d+",
    "Ensembl ids": r"ENS[A-Z]*G\d{11}",
    "numbers": r"\d+",
    "names behind that of a genome": rf"{GENOME}.+",
    "symbols in capitals, as of man": r"[^a-z]+",
    "capitalised symbols, as of mouse": r"[A-Z][^A-Z]*[a-z][^A-Z]*",
}
NEARLY_ALL = 0.75
ENOUGH = 500  # names that tell of what kind all are


def are_controls(table):
    """Whether each row of `h5ad.read_genes` is no gene, by its name or its type."""
    by_name = np.array([not _is_gene(name) for name in table.index], bool)
    told = (table["type"] == GENE).any()
    return by_name | (told & (table["type"] != GENE)).to_numpy()


def are_mitochondrial(table):
    """Whether each row of `h5ad.read_genes` is a gene of the mitochondrion, by its name or id."""
    found = np.array([MITOCHONDRIAL.fullmatch(name) is not None for name in table.index], bool)
    known = pd.read_csv(MITOCHONDRIAL_IDS, sep="\t")[["human", "mouse"]].to_numpy().ravel()
    for ids in (table.index.to_series(), table["id"]):
        found |= _bare(ids).isin(known).to_numpy()
    return found


def told_apart(table):
    """Names of genes (Index), and which of them could be one of several.

    Genes that share a symbol are called SYMBOL(ID) where each has an id of its own, so that they
    have the same name in every sample; else none of them can be told. Numbers that made them
    unique tell only in which order they stood in the file.
    """
    present = set(table.index)
    symbol = pd.Series([_symbol(name, present) for name in table.index], dtype=str)
    ids = _bare(table["id"]).reset_index(drop=True)
    several = symbol.duplicated(keep=False)
    unclear = (ids == "") | (symbol + " " + ids).duplicated(keep=False)
    unclear = several & symbol.isin(symbol[several & unclear])
    names = pd.Series(table.index.to_numpy(), dtype=str).mask(several, symbol + "(" + ids + ")")
    return pd.Index(names), unclear.to_numpy()


def ids(table):
    """`{name of `told_apart`: id}` of `h5ad.read_genes`, '' where there is none."""
    return dict(zip(told_apart(table)[0], _bare(table["id"]), strict=True))


def _bare(ids):
    """Ids (Series) without versions."""
    return ids.str.replace(VERSION, "", regex=True)


def _symbol(name, present):
    """`name` as it was before it was made unique among those that are `present`."""
    match = MADE_UNIQUE.fullmatch(name)
    if match and match[1] in present:
        before = (f"{match[1]}{match[2]}{i}" for i in range(1, int(match[3])))
        return match[1] if all(name in present for name in before) else name
    return name


def check_kinds(genes, where):
    """`InputError` if the names of genes are of several kinds, such as symbols and ids.

    genes: `{sample: names}`; where: what the samples are of, for the sentence.
    """
    kinds = {sample: _kind(names) for sample, names in genes.items()}
    known = Counter(filter(None, kinds.values())).most_common()
    if len(known) > 1:
        usual = next(sample for sample in kinds if kinds[sample] == known[0][0])
        other = next(sample for sample in kinds if kinds[sample] not in (None, kinds[usual]))
        what = [
            f"those of {own} are {kinds[own]} ('{_first(genes[own])}')" for own in (other, usual)
        ]
        raise InputError(
            f"{where}: names of genes are of two kinds, {' and '.join(what)}; name the genes of "
            f"{other} as the others' are, or leave it out."
        )


def check_shared(genes, where):
    """`InputError` if no gene is in all samples; arguments as those of `check_kinds`."""
    if not any(map(_is_gene, set.intersection(*map(set, genes.values())))):
        found = Counter(name for names in genes.values() for name in set(names) if _is_gene(name))
        shared = {own: sum(found[name] > 1 for name in set(genes[own])) for own in genes}
        least, other = min(shared, key=shared.get), max(shared, key=shared.get)
        raise InputError(
            f"{where}: no gene is measured in every sample; {least} shares the fewest with others, "
            f"{shared[least]} of {len(genes[least])}, and has '{_first(genes[least])}' where "
            f"{other} has '{_first(genes[other])}'; check the names, or leave it out."
        )


def _kind(names):
    """The kind in `KINDS` of nearly all names, judged by some of them, or None."""
    some = [name for name in names[:: len(names) // ENOUGH + 1] if _is_gene(name)]
    for kind, pattern in KINDS.items():
        if len([name for name in some if re.fullmatch(pattern, name)]) > NEARLY_ALL * len(some):
            return kind
    return None


def _is_gene(name):
    return CONTROL.fullmatch(name) is None


def _first(names):
    """A name to show."""
    return next(filter(_is_gene, names), "none")
