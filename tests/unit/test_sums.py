"""Ridge from sums of pieces, against scikit-learn and against sums of the whole."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from test_fit import TRAINING, predictions, spots
from test_heads import joined as of_both

from spotrank.base.store import read_h5ad
from spotrank.fitting import fit, sums, together
from spotrank.fitting.batches import Side, Spots
from spotrank.fitting.monitors import squared_error
from spotrank.fitting.sums import Moments, Sums
from spotrank.fitting.together import Together
from spotrank.genes import panel
from spotrank.spots import split


def side_of(part, sums=None):
    return Side(part, part.x, part.counts.shape[1], "library", 1, "cpu", sums=sums)


@given(
    seed=st.integers(0, 999),
    pieces=st.integers(1, 6),
    away=st.sampled_from([0, 1, 1e4]),
)
@settings(max_examples=30, deadline=None)
def test_sums_of_parts_are_sums_of_the_whole(seed, pieces, away):
    part = spots(seed, n=60, d=5)
    part.x += np.float32(away)
    part.piece = np.random.default_rng(seed).integers(pieces, size=60)
    side = side_of(part, Sums())
    x, y = side.x.double().numpy(), side.target.double().numpy()
    ours, centred = side.sums.moments(side), x - x.mean(0)
    np.testing.assert_allclose(ours.x, x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(ours.y, y.mean(0), rtol=1e-12)
    np.testing.assert_allclose(ours.xy, centred.T @ (y - y.mean(0)), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(ours.yy, 60 * y.var(0), rtol=1e-9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "AT_A_TIME", 16)
        squares = side.sums.squares(side, ours.x)
    np.testing.assert_allclose(squares, centred.T @ centred, rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 999))
@settings(max_examples=10, deadline=None)
def test_squared_error_follows_from_sums(seed):
    side, rng = side_of(spots(seed)), np.random.default_rng(seed)
    weight, bias = (torch.as_tensor(rng.normal(size=shape)) for shape in ((6, 4), (1, 4)))
    theirs = squared_error((side.x.double() @ weight + bias)[None], side).item()
    (ours,) = side.sums.squared_errors(side, [(weight, bias)])
    assert ours == pytest.approx(theirs, rel=1e-12)


def test_moments_by_hand():
    once, again = (
        Moments.of(torch.tensor(x), torch.tensor(y))
        for x, y in (([[1.0], [3.0]], [[2.0], [4.0]]), ([[5.0]], [[0.0]]))
    )
    total = once + again
    # x 1, 3, 5 about 3 and y 2, 4, 0 about 2: -2·0 + 0·2 + 2·(-2), and 0 + 4 + 4
    assert (total.n, total.x.item(), total.y.item()) == (3, 3, 2)
    assert (total.xy.item(), total.yy.item()) == pytest.approx((-4, 8))


def far_away(part):
    part.x += np.float32(1e4)


def with_constants(part):
    part.x[:, 1], part.x[:, 3] = 0, 0.1


def twice(part):
    part.x[:, 2] = part.x[:, 4]


@pytest.mark.parametrize("change", [far_away, with_constants, twice, lambda part: None])
@pytest.mark.parametrize(("n", "d"), [(120, 40), (40, 40), (20, 40)])
@pytest.mark.parametrize("pca", [None, 16])
def test_ridge_is_scikit_learns_of_any_shape(change, n, d, pca):
    train, validation, test = (spots(i, n=n, d=d) for i in range(3))
    for part in (train, validation, test):
        change(part)
    head = "ridge", {"alpha": 2.0, "pca": pca}
    _, ours, _ = fit.fit(train, validation, {}, [0], head, TRAINING, "library")
    reduced = [PCA(pca, svd_solver="full")] if pca else []
    theirs = make_pipeline(StandardScaler(), *reduced, Ridge(2.0)).fit(*of_both(train, validation))
    expected = theirs.predict(test.x.astype(float))
    np.testing.assert_allclose(predictions(ours, head, test)[0], expected, atol=1e-6)


def of_panel(found, genes):
    """Spots of some samples in one, with the counts of a panel."""
    joined = {
        key: np.concatenate([getattr(own, key) for own in found]) for key in found[0].of_spots()
    }
    return Spots(**joined | {"counts": joined["counts"][:, genes]})


FOLDS = {
    "slides": [
        {"train": train, "validation": validation, "test": test, "within": {}}
        for train, validation, test in (
            (["a", "b"], ["c"], ["d"]),
            (["c"], ["a"], ["b", "d"]),
            (["b", "c", "d"], ["a"], ["a"]),
        )
    ],
    "within slides": [
        {"train": [own], "validation": [own], "test": [own],
         "within": {"by": "blocks", "folds": 4, "fold": fold, "seed": 0}}
        for own in "ab" for fold in range(4)
    ],
    "an end": [
        {"train": ["a"], "validation": ["a"], "test": [test],
         "within": {"by": "end", "share": share}}
        for test, share in (("b", 0.3), ("c", 0.5))
    ],
}  # fmt: skip
RIDGES = [
    ("hest_bench", {"pca": 8}),
    ("ridge", {}),
    ("ridge", {"alpha": "inner", "patients": dict.fromkeys("abcd", "p")}),
]


@pytest.mark.parametrize("folds", FOLDS.values(), ids=FOLDS)
@pytest.mark.parametrize("scaling", ["library", "panel", "none"])
def test_what_ridges_share_changes_none(folds, scaling):
    """Against each alone: folds, panels and heads in turn, of the same sums."""
    samples = {name: spots(i, n=90, d=12, genes=6, tissues=1) for i, name in enumerate("abcd")}
    shared, n_fits = Together(folds, 0.05, []), 0
    for fold in folds:
        parts = {part: [] for part in ("train", "validation")}
        for name in dict.fromkeys(fold["train"] + fold["validation"]):
            own = samples[name]
            own.tissue[:], own.sample[:] = ord(name), name
            own.piece = shared.pieces(name, own.place)
            of_fold = split.parts(fold, name, own.place, 0.05)
            for part, found in parts.items():
                found.append(own[of_fold == part])
        for genes in ([0, 1, 2], [2, 4, 5]):
            train, validation = (of_panel(found, genes) for found in parts.values())
            for head in RIDGES:
                if "inner" in head[1].values() and len(set(train.sample)) == 1:
                    continue
                ours, theirs = (
                    fit.fit(train, validation, {}, [0], head, TRAINING, scaling, sums=sums)[1]
                    for sums in (shared.sums(genes), None)
                )
                for key, value in theirs.items():
                    torch.testing.assert_close(ours[key], value, rtol=1e-8, atol=1e-9)
                n_fits += 1
    assert n_fits >= 4 * len(folds)
    assert 0 < len(shared.features.squares) <= len(shared.numbers)


def fits(*heads):
    made_by = {"fold": FOLDS["slides"][0], "gap_um": 0}
    return [
        {"made_by": made_by | {"head": {"head": head}}, "input": {"panel": []}} for head in heads
    ]


def test_ridges_alone_are_fitted_together():
    assert together.of(fits("ridge", "linear")) is None
    shared = together.of(fits("ridge", "hest_bench"))
    assert len(shared.folds) == 1


def test_a_file_is_read_once_and_its_panels_genes_kept(cohort, tmp_path):
    st, paths = cohort / "st/SIM1.h5ad", [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    genes = list(read_h5ad(st).var_names[[1, 4]])
    panel.save(pd.DataFrame({"gene": genes, "score": 1.0}), paths[0], {})
    paths[1].write_text("damaged")  # which its own fits are to say
    shared = Together([], 0, paths)
    read = shared.spots(st)
    assert shared.spots(st) is read
    assert list(read.var_names) == genes
