"""Ensembles of trees: grown by their libraries, kept as tensors, so that nothing is pickled."""

from typing import NamedTuple

import numpy as np

from spotrank.base.store import InputError
from spotrank.fitting.heads.head import Head, at_least

TREES_AT_A_TIME = 256


class Tree(NamedTuple):
    """Its splits, the first of which is the root, and `value (leaves, outputs)`.

    A spot goes left where its feature is not above the threshold. A child below 0 is a leaf, ~child
    its number.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray


class Trees(Head):
    """Trees whose values add up, in one run of loss 'mse'. They need no scale of the embeddings."""

    trunk, scales, labels = False, True, ("mse",)

    def score(self, parameters, x, place, generator=None):
        own = {
            key: value[0] if value.is_floating_point() else value[0].long()
            for key, value in parameters.items()
        }
        score = own["value"].new_zeros(len(x), self.n_genes)
        for first in range(0, len(own["root"]), TREES_AT_A_TIME):
            trees = slice(first, first + TREES_AT_A_TIME)
            score += self.summed(own, trees, _leaves(own, own["root"][trees], x))
        return score[None]


class Forest(Trees):
    """A random forest (Breiman 2001) of scikit-learn's, whose trees split for all genes together.

    min_leaf: spots of a leaf at least; features: share of them that a split looks at. Nothing is
    chosen by validation, so validation spots train as well.
    """

    def __init__(self, dimension, n_genes, trees=70, min_leaf=5, features=0.3):
        super().__init__(dimension, n_genes)
        self.trees = at_least(1, trees, "forest", "trees")
        self.min_leaf = at_least(1, min_leaf, "forest", "min_leaf")
        self.features = _share(features, "forest", "features")

    def solve(self, train, validation, monitor, penalty=None):
        from sklearn.ensemble import RandomForestRegressor
        from tqdm import tqdm

        sides = [side for side in (train, validation) if side is not None]
        x, y = (
            np.concatenate([getattr(side, key).cpu().numpy() for side in sides])
            for key in ("x", "target")
        )
        forest = RandomForestRegressor(
            max_features=self.features, min_samples_leaf=self.min_leaf, random_state=0,
            warm_start=True,
        )  # fmt: skip
        for trees in tqdm(range(1, self.trees + 1), unit="tree", mininterval=2, ascii=True):
            forest.set_params(n_estimators=trees).fit(x, y)
        return _parameters([_of_scikit_learn(tree.tree_) for tree in forest], train.x.device)

    def summed(self, own, trees, leaves):
        import torch

        bags = torch.nn.functional.embedding_bag(leaves, own["value"], mode="sum")
        return bags / len(own["root"])


class Boosting(Trees):
    """Gradient boosting (Friedman 2001) of LightGBM's, with trees of its own for each gene.

    depth: splits one above the other. How many of `trees` are used, as many for each gene, is
    chosen on validation spots by the study's `monitor`. Other settings are HEST-Benchmark's.
    """

    STEP = 5  # trees from one choice to the next

    def __init__(self, dimension, n_genes, trees=100, depth=3, learning_rate=0.1):
        super().__init__(dimension, n_genes)
        self.trees = at_least(1, trees, "boosting", "trees")
        self.depth = at_least(1, depth, "boosting", "depth")
        self.rate = _share(learning_rate, "boosting", "learning_rate")

    def settings(self):
        """Of LightGBM."""
        return {
            "learning_rate": self.rate, "max_depth": self.depth,
            "num_leaves": 2 ** min(self.depth, 16),  # LightGBM's most
            "min_data_in_leaf": 1, "lambda_l2": 1, "bagging_fraction": 0.8, "bagging_freq": 1,
            "feature_fraction": 0.8, "max_bin": 63, "force_row_wise": True, "num_threads": 1,
            "deterministic": True, "seed": 0, "verbosity": -1,
        }  # fmt: skip

    def solve(self, train, validation, monitor, penalty=None):
        """`penalty` is the number of trees a gene."""
        import lightgbm
        import torch
        from tqdm import tqdm

        x, targets = train.x.cpu().numpy(), train.target.mT.contiguous().cpu().numpy()
        steps = [*range(self.STEP, self.trees, self.STEP), self.trees]
        if penalty is not None:
            steps = [round(float(penalty[0]))]
        data = lightgbm.Dataset(x, params=self.settings())
        grown, scores = [], []
        for gene in tqdm(range(self.n_genes), unit="gene", mininterval=2, ascii=True):
            data.set_label(targets[gene])
            booster = lightgbm.train(self.settings(), data, steps[-1])
            grown.append(_of_lightgbm(booster.model_to_string()))
            if validation is not None:
                own = validation.x.cpu().numpy()
                scores.append([booster.predict(own, num_iteration=n) for n in steps])
        best = steps[-1]
        if validation is not None:
            scores = torch.as_tensor(np.array(scores, np.float32)).permute(1, 2, 0)
            worth = [float(monitor(own[None].to(train.x.device), validation)) for own in scores]
            best = steps[int(np.argmin(worth))]
        trees = [own[:best] for own in grown]  # fewer where there was nothing left to split
        found = _parameters([tree for own in trees for tree in own], train.x.device)
        gene = np.repeat(range(self.n_genes), [len(own) for own in trees])
        return found | {
            key: _tensor(own, train.x.device)
            for key, own in (("gene", gene), ("penalty", np.array(float(best))))
        }

    def summed(self, own, trees, leaves):
        value = own["value"][leaves, 0]
        return value.new_zeros(len(value), self.n_genes).index_add(1, own["gene"][trees], value)


def _share(value, head, option):
    if not 0 < value <= 1:
        raise InputError(
            f"config: heads: the option '{option}' of '{head}' is {value}; give a number above 0, "
            "1 at most."
        )
    return value


def _leaves(own, root, x):
    """Number of the leaf `(n_spots, trees)` that each spot comes to, from each root."""
    import torch

    node = root.expand(len(x), -1)
    while (node >= 0).any():
        at = node.clamp(min=0)
        goes_left = x.gather(1, own["feature"][at]) <= own["threshold"][at]
        node = torch.where(node < 0, node, own["left"][at].where(goes_left, own["right"][at]))
    return ~node


def _parameters(trees, device):
    """Trees one behind the other, with the number of each one's `root`, as of one run."""
    splits = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    leaves = np.cumsum([0, *(len(tree.value) for tree in trees)])

    def moved(child, i):
        return np.where(child < 0, child - leaves[i], child + splits[i])

    found = {
        "root": np.array([moved(0 if len(tree.feature) else -1, i) for i, tree in enumerate(trees)])
    }
    for child in ("left", "right"):
        found[child] = np.concatenate(
            [moved(getattr(tree, child), i) for i, tree in enumerate(trees)]
        )
    found["feature"], threshold, value = (
        np.concatenate([getattr(tree, key) for tree in trees])
        for key in ("feature", "threshold", "value")
    )
    # what is no more than the threshold as float32 is so as float64
    rounded = np.float32(threshold)
    found["threshold"] = np.nextafter(
        rounded, np.float32(-np.inf), where=rounded > threshold, out=rounded
    )
    found["value"] = value
    return {key: _tensor(own, device) for key, own in found.items()}


def _tensor(array, device):
    import torch

    small = np.int32 if array.dtype == np.int64 else np.float32
    return torch.as_tensor(array[None].astype(small), device=device)


def _of_scikit_learn(tree):
    """A `Tree` from one of scikit-learn's, in whose one list are splits and leaves."""
    is_split = tree.children_left >= 0
    number = np.where(is_split, np.cumsum(is_split) - 1, ~(np.cumsum(~is_split) - 1))
    left, right = (number[own[is_split]] for own in (tree.children_left, tree.children_right))
    value = tree.value[~is_split, :, 0]
    return Tree(left, right, tree.feature[is_split], tree.threshold[is_split], value)


def _of_lightgbm(text):
    """The `Tree`s of a model that LightGBM wrote down."""
    found = []
    for block in text.partition("end of trees")[0].split("\nTree=")[1:]:
        rows = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        left, right, feature = (
            np.array(rows.get(key, "").split(), int)
            for key in ("left_child", "right_child", "split_feature")
        )
        threshold, value = (
            np.array(rows.get(key, "").split(), float) for key in ("threshold", "leaf_value")
        )
        found.append(Tree(left, right, feature, threshold, value[:, None]))
    return found
