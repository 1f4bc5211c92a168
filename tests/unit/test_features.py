"""Which features are genes, which are mitochondrial, and what names are compared."""

import logging
import re

import anndata
import numpy as np
import pandas as pd
import pytest
from bad_files import PATCHES, QC

from spotrank.base.store import InputError
from spotrank.genes import panel
from spotrank.spots import features, pair


def table(names, ids="", types=""):
    return pd.DataFrame({"id": ids, "type": types}, index=names)


@pytest.mark.parametrize(
    ("name", "control"),
    [
        *((name, True) for name in (
            "BLANK_0006", "Blank-12", "blank1", "NegControlProbe_00042", "NegControlCodeword_0502",
            "NegControlProbe-00042", "antisense_SCD", "UnassignedCodeword_0037", "Negative01",
            "DeprecatedCodeword_0321", "Intergenic_Region_1", "Intergenic-Region-10", "NegPrb3",
            "SystemControl7", "FalseCode12", "NegProbe-WTX", "ERCC-00002", "Custom-3",
        )),
        *((name, False) for name in (
            "BLNK", "NEGR1", "SYS1", "NEGATIVE", "CUSTOS", "ERCC1", "ERCC6L2", "BLANK", "ANTXR1",
            "INTS1", "Negr1", "MT-ND1", "FAU", "CODE1", "CNTRL",
        )),
    ],
)  # fmt: skip
def test_controls_by_name(name, control):
    assert features.are_controls(table([name])).tolist() == [control]


def test_controls_by_type_where_types_are_those_of_10x():
    types = ["Gene Expression", "Antibody Capture", "Gene Expression"]
    assert features.are_controls(table(list("abc"), types=types)).tolist() == [False, True, False]
    biotypes = ["protein_coding", "lncRNA"]
    assert not features.are_controls(table(list("ab"), types=biotypes)).any()


@pytest.mark.parametrize(
    ("name", "id", "mitochondrial"),
    [
        *((name, "", True) for name in (
            "MT-ND1", "mt-Nd1", "Mt-nd1", "mt:ND1", "GRCh38_MT-CO1", "GRCh38-MT-CO1", "hg19_MT-CYB",
            "mm10___mt-Cytb", "ENSG00000198888", "ENSMUSG00000064370.1",
        )),
        ("ND1", "ENSG00000198888.2", True),
        *((name, "", False) for name in (
            "MTOR", "MT1X", "MT2A", "Mt1", "MTND1P23", "GRCh38_MTOR", "AMT-1", "ENSG00000198793",
        )),
    ],
)  # fmt: skip
def test_mitochondrial_genes(name, id, mitochondrial):
    assert features.are_mitochondrial(table([name], id)).tolist() == [mitochondrial]


@pytest.mark.parametrize(
    ("names", "ids", "told"),
    [
        ("A B", "", "A B"),
        ("T B T", "", "? B ?"),
        ("T B T", ["1", "2", "3"], "T(1) B T(3)"),
        ("T B T-1", ["ENSG1.4", "2", "ENSG3.1"], "T(ENSG1) B T(ENSG3)"),
        ("T B T.1 T.2", "", "? B ? ?"),
        ("T B T", ["1", "2", "1"], "? B ?"),
        ("T B T", ["1", "2", ""], "? B ?"),
        ("NKX2-1 NKX2-2 HLA-A T T-7", "", "NKX2-1 NKX2-2 HLA-A T T-7"),
    ],
)
def test_symbols_that_stand_twice_are_told_apart_by_ids_or_not_at_all(names, ids, told):
    found, unclear = features.told_apart(table(names.split(), ids))
    assert np.where(unclear, "?", found).tolist() == told.split()


def write(folder, name, genes, ids=None, n=20):
    """A sample whose gene i has i + 1 counts in each spot."""
    adata = anndata.AnnData(np.tile(np.arange(1.0, len(genes) + 1), (n, 1)))
    adata.var = pd.DataFrame(index=genes)
    if ids:
        adata.var["gene_ids"] = ids
    adata.obsm["spatial"] = np.ones((n, 2))
    adata.write_h5ad(folder / f"{name}.h5ad")
    (folder / f"{name}.json").write_text('{"pixel_size_um_estimated": 0.5}')
    qc = QC | {"min_genes": 1, "max_mito": 1.1}
    return pair.pair(folder / f"{name}.h5ad", folder / f"{name}.json", qc, PATCHES)


@pytest.mark.filterwarnings("ignore:Variable names")
def test_controls_and_doubled_symbols_are_no_candidates(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    spots = write(tmp_path, "a", ["T", "A", "BLANK_1", "T", "MT-ND1"])
    assert spots.var_names.tolist() == ["A", "MT-ND1"]
    assert spots.obs["library"].tolist() == [1 + 2 + 4 + 5] * 20
    assert spots.obs["n_genes"].tolist() == [4] * 20
    np.testing.assert_allclose(spots.obs["mito"], 5 / 12)
    found = {"genes": 2, "controls": 1, "doubled": 2, "no_mito": False}
    assert found.items() <= spots.uns["quality"].items()
    assert "'doubled': 2" in caplog.text


@pytest.mark.filterwarnings("ignore:Variable names")
def test_twins_in_another_order_have_one_name(tmp_path):
    a = write(tmp_path, "a", ["T", "B", "T"], ["1", "2", "3"])
    b = write(tmp_path, "b", ["T", "B", "T"], ["3", "2", "1"])
    assert a.var_names.tolist() == ["T(1)", "B", "T(3)"]
    assert a[:, "T(3)"].X.max() == 3
    assert b[:, "T(3)"].X.max() == 1


def test_a_whole_transcriptome_without_mitochondrial_genes_is_named(tmp_path, caplog):
    spots = write(tmp_path, "a", [f"G{i}" for i in range(10_000)], n=3)
    assert spots.uns["quality"]["no_mito"]


HUMAN = ["TP53", "ACTB", "C1orf112", "HLA-A", "GAPDH", "MT-ND1", "CD8A", "KRT8"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (["ENSG00000141510", "ENSG00000075624"], "of b are Ensembl ids ('ENSG00000141510') and"),
        (["ENSG00000141510.18"], "Ensembl ids with versions ('ENSG00000141510.18')"),
        (["Trp53", "Actb", "Gapdh"], "capitalised symbols, as of mouse ('Trp53')"),
        (["BLANK_0006", "Trp53", "Actb"], "as of mouse ('Trp53')"),
        ([f"GRCh38_{name}" for name in HUMAN], "behind that of a genome ('GRCh38_TP53')"),
        (["7157", "60"], "numbers ('7157')"),
    ],
)
def test_names_of_another_kind_are_refused(other, said):
    genes = {"a": [*HUMAN, "BLANK_0006"], "b": other, "c": HUMAN}
    with pytest.raises(InputError, match=re.escape(said)) as error:
        features.check_kinds(genes, "cohorts.x")
    assert "'TP53'" in str(error.value)


def test_controls_are_no_shared_genes():
    genes = {"a": [*HUMAN, "BLANK_0006"], "b": ["EGFP", "BLANK_0006"], "c": HUMAN}
    features.check_kinds(genes, "cohorts.x")
    with pytest.raises(InputError, match="b shares the fewest with others, 0 of 2, and has 'EGFP'"):
        features.check_shared(genes, "cohorts.x")
    features.check_shared(genes | {"b": ["BLANK_0006", "TP53"]}, "cohorts.x")


def test_a_sample_of_one_spot_is_named(cohort):
    spots = {
        name: pair.pair(cohort / f"st/{name}.h5ad", cohort / f"metadata/{name}.json", QC, PATCHES)
        for name in ("SIM1", "SIM3")
    }
    few = {**spots, "SIM1": spots["SIM1"][:1].copy()}
    fold = {"train": ["SIM1", "SIM3"], "validation": [], "test": [], "within": {}}
    genes = {name: set(own.var_names) for name, own in few.items()}
    with pytest.raises(InputError, match=r"'SIM1' has the fewest, 0 .* of its 1 spots"):
        panel.choose(panel.looked_at(few, fold, "train", 0, 3), "variance", 5, genes)
