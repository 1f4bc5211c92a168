"""How genes are ranked. A new selection is a function and a row of `SELECTIONS`."""

import re

import numpy as np

TARGET_SUM = 1e4


def log_normalised(sample):
    """log1p of counts scaled to 10,000 a spot over all genes, CSR `(n_spots, n_genes)`."""
    library = sample.obs["library"].to_numpy()
    return sample.X.multiply(TARGET_SUM / library[:, None]).tocsr().log1p()


def variance(samples, number):
    """Variance of log-normalised expression over the pooled spots (STRank)."""
    totals = [(x.sum(0), x.multiply(x).sum(0)) for x in map(log_normalised, samples)]
    n = sum(sample.n_obs for sample in samples)
    total, squares = (np.asarray(sum(part)).ravel() for part in zip(*totals, strict=True))
    return squares / n - (total / n) ** 2


def mean(samples, number):
    """Mean count over the pooled spots."""
    n = sum(sample.n_obs for sample in samples)
    return np.asarray(sum(sample.X.sum(0) for sample in samples)).ravel() / n


def dispersion(samples, number):
    """Normalised dispersion of log-normalised expression (scanpy, flavour 'seurat')."""
    return _scanpy_dispersion(map(log_normalised, samples), number)


def hest_bench(samples, number):
    """HEST-Benchmark's: normalised dispersion of log1p counts, of widespread genes.

    A gene must be in at least 10 % of the spots of every sample, and no control probe.
    """
    genes = samples[0].var_names
    widespread = np.all([sample.var["n_spots"] >= 0.1 * sample.n_obs for sample in samples], 0)
    candidate = widespread & ~genes.str.contains("BLANK|Control", flags=re.IGNORECASE)
    if not candidate.any():
        return np.full(len(genes), np.nan)
    score = np.full(len(genes), np.nan)
    score[candidate] = _scanpy_dispersion(
        (sample.X[:, candidate].log1p() for sample in samples), number
    )
    return score


SELECTIONS = {function.__name__: function for function in (variance, mean, dispersion, hest_bench)}


def _scanpy_dispersion(matrices, number):
    import anndata
    import scanpy
    from scipy import sparse

    pooled = anndata.AnnData(sparse.vstack(list(matrices), format="csr"))
    scanpy.pp.highly_variable_genes(pooled, n_top_genes=None if number == "all" else number)
    return pooled.var["dispersions_norm"].to_numpy()
