"""What a paper needs of a study: its question, a paragraph on its methods, references, its config.

All of it comes from `provenance.json` and the tables.
"""

import yaml

from spotrank.fitting.heads import OF_FLOORS
from spotrank.verdicts.floors import is_floor, is_given

NAMED = 3  # cohorts; more are counted
HELD_OUT = {
    "fixed": "the slides that the study names held out for the test",
    "leave_one_patient_out": "each patient held out in turn",
    "leave_one_cohort_out": "each cohort held out in turn, trained on all others",
    "leave_one_sample_out": "each slide held out in turn",
    "patient_k_fold": "patients held out in {folds} folds",
    "spots_k_fold": "the spots of each slide shared out at random in {folds} folds",
    "spatial_blocks": "each slide cut in {folds} blocks, one of them tested at a time",
}
CHOSEN = {
    "variance": "of the highest variance of log-normalised expression",
    "mean": "of the highest mean count",
    "dispersion": "of the highest normalised dispersion",
    "hest_bench": "that HEST-Benchmark's selection gives",
    "file": "of a list",
}
SCALED = {
    "library": "log1p of counts scaled to 10,000 by the spot's whole library",
    "panel": "log1p of counts scaled to 10,000 by the spot's total over the panel",
    "none": "log1p of raw counts",
}
REFERENCES = {
    "hest": "Jaume G, et al. HEST-1k: a dataset for spatial transcriptomics and histology image "
    "analysis. NeurIPS 2024, Datasets and Benchmarks.",
    "strank": "STRank. NeurIPS 2025, arXiv 2512.06612.",
    "agl": "AGL. AAAI 2026, arXiv 2511.18336.",
    "histogene": "Pang M, Su K, Li M. Leveraging information in spatial transcriptomics to predict "
    "super-resolution gene expression from histology images in tumors. bioRxiv 2021.",
    "stains": "Ruifrok AC, Johnston DA. Quantification of histochemical staining by color "
    "deconvolution. Anal Quant Cytol Histol 23:291–299, 2001.",
    "holm": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat "
    "6:65–70, 1979.",
    "snakemake": "Mölder F, et al. Sustainable data analysis with Snakemake. F1000Research 10:33, "
    "2021.",
}


def question(known, summary, samples):
    """What was asked, in a sentence: cohorts, slides, patients, split, and what was compared."""
    methods = _fitted(summary)
    asked = " and ".join(
        f"{methods[key].nunique()} {words}"
        for key, words in (
            ("encoder", "encoders"), ("head", "heads"), ("loss", "losses"),
            ("auxiliary", "strategies for auxiliary genes"),
        )
        if methods[key].nunique() > 1
    )  # fmt: skip
    which = f", and which of {asked} does it best" if asked else ""
    return (
        f"How well can {_genes(known['config'], summary)} be predicted from H&E in "
        f"{_cohorts(samples)}, {_splits(known['config'], summary)}{which}?"
    )


def _fitted(summary):
    return summary[~is_floor(summary) & ~is_given(summary)]


def _genes(config, summary):
    """How many genes; of a list, those that it gives."""
    genes, panels = config["genes"], summary.groupby("panel")["n_genes"].max()
    numbers = [] if genes["selection"] == ["file"] else genes["number"]
    listed = panels[panels.index.str.startswith("file-")]
    numbers = " or ".join(dict.fromkeys(map(str, [*numbers, *listed])))
    return "all genes" if numbers == "all" else f"{numbers} genes"


def _cohorts(samples):
    """Each cohort with its slides and the patients that they are of, those held out as one once;
    of many cohorts the sum."""
    of_all = samples.groupby("cohort", sort=False)
    if len(of_all) > NAMED:
        n = of_all["unit"].nunique().sum()
        return f"{len(of_all)} cohorts ({_of(len(samples), 'slide')} of {_of(n, 'patient')})"
    said = []
    for cohort, own in of_all:
        n = own["unit"].nunique()
        said.append(f"{cohort} ({_of(len(own), 'slide')} of {_of(n, 'patient')})")
    return ", ".join(said)


def _of(n, what):
    return f"{n:,} {what}" + "s" * (n > 1)


def _splits(config, summary):
    """How it was tested; cohorts are named where they were not all tested so."""
    said, n = {}, summary["cohort"].nunique()
    for cohort, name in summary[["cohort", "split"]].drop_duplicates().itertuples(index=False):
        said.setdefault(name, []).append(cohort)
    words = []
    for name, own in said.items():
        cohorts = ", ".join(own) if len(own) <= NAMED else f"{len(own)} cohorts"
        if name in HELD_OUT:
            where = "" if len(own) == n else f"in {cohorts} "
            words.append(where + HELD_OUT[name].format(**config["split"]))
        else:
            words.append(f"{cohorts} tested on the model of all of {name.removeprefix('from_')}")
    return ", and ".join(words)


def paragraph(known, summary, samples, answers, trained):
    """`(text, references)`: the methods of a paper, [1] being the first of the references.

    trained: whether any head was trained step by step.
    """
    config, cited = known["config"], []

    def cite(*keys):
        cited.extend(key for key in keys if key not in cited)
        return " [" + ", ".join(str(1 + cited.index(key)) for key in keys) + "]"

    parts = [
        _data(config, samples, cite),
        _encoders(config, known["encoders"], summary, cite),
        _panel(config, summary),
        _training(config, summary, trained, cite),
        _scoring(summary, cite),
        _results(answers),
        "All was run by spotrank" + _version(known) + ", a workflow of Snakemake"
        f"{cite('snakemake')}; provenance {known['id']}.",
    ]
    return " ".join(filter(None, parts)), [REFERENCES[key] for key in cited]


def _version(known):
    git = known["git"]
    return f" (commit {git['commit'][:10]}{', changed' * git['changed']})" if git else ""


def _data(config, samples, cite):
    hest = any(cohort["source"] in ("hest", "hest_bench") for cohort in config["cohorts"].values())
    spots, lost = samples["spots"].sum(), samples["measured"].sum() - samples["spots"].sum()
    options = config["spots"]
    return (
        f"Spatial gene expression was predicted from H&E in {_cohorts(samples)}"
        f"{cite('hest') if hest else ''}: {spots:,.0f} spots with at least "
        f"{options['min_genes']} genes and less than {options['max_mito']:.0%} mitochondrial "
        f"counts whose patch lies on the slide ({lost:,.0f} were left out)."
    )


def _encoders(config, about, summary, cite):
    patches = config["patches"]
    side = patches["size"] * patches["um_per_px"]
    given = {name for own in config["cohorts"].values() for name in own.get("embeddings", {})}
    names = list(dict.fromkeys(_fitted(summary)["encoder"]))
    made = [_encoder(name, about.get(name, {}), cite) for name in names if name not in given]
    said = []
    if made:
        said.append(
            f"Patches of {side:.4g} µm a side ({patches['size']} px of {patches['um_per_px']:.4g} "
            f"µm) around each spot were described by {', '.join(made)}."
        )
    if own := [name for name in names if name in given]:
        said.append(f"Embeddings of the spots were given ({', '.join(own)}).")
    return " ".join(said)


def _encoder(name, about, cite):
    if name == "stain_statistics":
        return "39 statistics of separated stains and texture" + cite("stains")
    entry = about.get("encoder")
    where = entry.get("repo") or entry.get("model") if isinstance(entry, dict) else None
    return f"{name} ({where})" if where and where != name else name


def _panel(config, summary):
    genes, of = config["genes"], _genes(config, summary)
    looked = {
        "train": "on the training spots of each fold",
        "all": "on all spots, those of the test included",
    }
    scaled = f"targets are {SCALED[genes['scaling']]}."
    if genes["selection"] == ["file"]:
        return f"The panel was {of} of a list; {scaled}"
    return (
        f"The panel of {of} {' or '.join(CHOSEN[name] for name in genes['selection'])} "
        f"was chosen {' or '.join(looked[name] for name in genes['samples'])}; {scaled}"
    )


def _training(config, summary, trained, cite):
    methods, training = _fitted(summary), config["training"]
    heads, losses = (list(dict.fromkeys(methods[key])) for key in ("head", "loss"))
    names = " ".join(map(str, [*losses, *heads]))
    text = (
        f"Heads ({', '.join(heads)}{cite('histogene') if 'histogene' in names else ''}) were "
        f"fitted with {', '.join(losses)}{cite('strank') if 'strank' in names else ''} and "
        f"{_of(len(config['seeds']), 'seed')}"
    )
    text += trained * (
        f", by AdamW (learning rate {training['learning_rate']:g}, weight decay "
        f"{training['weight_decay']:g}, batches of {training['batch_size']} spots, at most "
        f"{training['max_epochs']} epochs, stopped after {training['patience']} without a better "
        f"validation {'loss' if training['monitor'] == 'loss' else 'Spearman'}), unless a head is "
        "solved in closed form"
    )
    if methods["auxiliary"].nunique() > 1 or (methods["auxiliary"] != "none").any():
        text += f", beside auxiliary genes ({', '.join(methods['auxiliary'].unique())})"
        text += cite("agl")
    return f"{text}. How it was tested: {_splits(config, summary)}."


def _scoring(summary, cite):
    floors = list(dict.fromkeys(summary.loc[summary["head"].isin(OF_FLOORS), "loss"]))
    said = (
        "Scores are Spearman's correlations of predicted and observed expression over the spots of "
        "a slide, averaged over genes, slides, seeds and folds; intervals (95 %) and tests are "
        "over patients, by paired t and from six patients on sign flips, corrected by Holm's method"
        f"{cite('holm')}. Beside them stands the ceiling that the counts' sampling noise leaves"
    )
    if floors:
        said += f", and what the floors ({', '.join(floors)}) score"
    if tools := list(dict.fromkeys(summary.loc[is_given(summary), "loss"])):
        said += f". Beside them stand predictions that were given ({', '.join(tools)})"
    return said + "."


def _results(answers):
    said = [
        (f"{one['place']}: " if one["place"] else "") + " ".join(one["said"]) for one in answers[:3]
    ]
    return " ".join(said + ["Further results stand in the table."] * (len(answers) > 3))


def citation(known):
    """A BibTeX entry of what was run."""
    git = known["git"] or {"commit": "unknown", "changed": False}
    version = git["commit"][:10] + ", changed" * git["changed"]
    return (
        "@software{spotrank,\n"
        "  title   = {spotrank: spatial gene expression from H\\&E, measured honestly},\n"
        f"  version = {{{version}}},\n"
        f"  year    = {{{known['started'][:4]}}},\n"
        f"  note    = {{study {known['study']}, provenance {known['id']}}}\n"
        "}"
    )


def config_text(known):
    """The config in full, as it can be run again."""
    return yaml.safe_dump(known["config"], sort_keys=False, allow_unicode=True, width=100)


def made(known):
    """How it was made, in a line."""
    hours = sum(known["seconds"].values()) / 3600
    spent = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"
    return (
        f"Made by spotrank{_version(known)} from {known['started'][:10]} on: "
        f"{_of(len(known['cells']), 'fit')}, {spent} of computing. Provenance {known['id']}."
    )


def provenance(known):
    """`[(what, value)]` of where the numbers come from, in words."""
    versions = {key.rpartition(" ")[2]: number for key, number in known["versions"].items()}
    size = sum(stamped["bytes"] for stamped in known["inputs"].values()) / 1e6
    seconds = known["seconds"].items()
    return [
        ("provenance", known["id"]),
        ("commit", _version(known).strip(" ()") or "unknown"),
        ("started", known["started"].replace("T", " ")),
        ("data", f"{_of(len(known['inputs']), 'file')}, {size:,.1f} MB, hashes in provenance.json"),
        ("encoders", ", ".join(known["encoders"]) or "none"),
        ("seeds", ", ".join(map(str, known["seeds"]))),
        ("seconds", ", ".join(f"{stage} {spent:,.0f}" for stage, spent in seconds)),
        ("machines", "; ".join(map(_machine, known["machines"]))),
        ("versions", ", ".join(f"{name} {number}" for name, number in sorted(versions.items()))),
    ]


def _machine(own):
    parts = [own["cpu"], f"{own['cores']} cores", f"{own['memory_gb']} GB", own["gpu"]]
    return ", ".join(filter(None, [*parts, own["system"], f"Python {own['python']}"]))
