"""A bundle's card: its README.md, as people and the Hugging Face hub read it."""

import yaml

from spotrank.bundles.expected import LEVEL

SHOWN = 10  # genes

CARD = """---
{front}---

# {row[panel]} from H&E by {row[encoder]}, {row[head]}, {row[loss]}

Predicts the expression of {n_genes} genes in log1p units for patches of {side_um:.0f} µm of an H&E
slide. Made by spotrank in the study `{study}`, provenance {provenance}; the bundle's id is `{id}`.

## Use

```yaml
study: new_slides
predict: {{bundle: PATH_OF_THIS_FOLDER, slides: FOLDER_OF_SLIDES}}
```

```sh
snakemake predict --cores all --configfile new_slides.yaml
```

{weights}

## What to expect

{expected}

| gene | Spearman | 95 % interval | ceiling | predictable |
|:-----|---------:|:--------------|--------:|:------------|
{table}

`genes.tsv` has all {n_genes}. Scores are correlations within a slide of a patient who was held out
(`{row[split]}`), means over patients; a ceiling is what sampling noise leaves to be reached.
"Predictable" is what lies above 0 beyond chance ({level:.0%} false discoveries).
{warnings}
A slide unlike those below is told by the distance of its embeddings: where patches lie beyond
99 % of held-out training spots, these scores are not to be expected.

## Trained on

{trained}

{trained_for}

## Licences

- encoder: {licences[encoder]}
- data: {licences[data]}

What may be done with the bundle is what both allow. It is no medical device.
"""


def text(about, genes):
    """README.md of a bundle; about: of `bundle.json`; genes: see `expected.expected`."""
    trained = about["trained_on"]
    patients = sorted(set(trained["patients"].values()))
    front = {
        "library_name": "spotrank",
        "tags": ["spatial-transcriptomics", "histopathology", "gene-expression"],
        "license": "other",
    }
    best = genes.sort_values("spearman", ascending=False).head(SHOWN)
    table = "\n".join(
        f"| {gene} | {_number(own.spearman)} | {_number(own.spearman_low)} to "
        f"{_number(own.spearman_high)} | {_number(own.ceiling_spearman)} | {own.predictable} |"
        for gene, own in best.iterrows()
    )
    counts = genes["predictable"].value_counts()
    said = ", ".join(
        f"{counts[word]} {word}" for word in ("yes", "no", "unknown") if word in counts
    )
    untold = about["untold"]
    warnings = [f"**Its folds leak:** {about['leak']}. Scores are higher than they will be."]
    warnings = warnings * bool(about["leak"])
    if untold:
        words = (f"{key} {', '.join(labels)}" for key, labels in untold.items())
        warnings.append(f"What can't be told from it: {'; '.join(words)}.")
    facts = {
        "cohorts": ", ".join(f"{name} ({source})" for name, source in trained["cohorts"].items()),
        "patients": f"{len(patients)} ({', '.join(patients)})",
        "slides": f"{len(trained['samples'])}, {trained['n_spots']:,} spots",
        "organs": ", ".join(trained["organs"]) or "not stated",
        "technologies": ", ".join(trained["technologies"]) or "not stated",
    }
    return CARD.format(
        **about,
        front=yaml.safe_dump(front, sort_keys=False),
        n_genes=len(genes),
        side_um=about["patches"]["size"] * about["patches"]["um_per_px"],
        provenance=about["made"]["provenance"],
        weights=_weights(about),
        trained_for=f"Trained on all of these for {about['epochs']} epochs (median of the folds' "
        f"best), {len(about['seeds'])} seeds, averaged."
        if about["epochs"]
        else "Solved on all of these at once, with the penalty that the folds chose.",
        expected=f"Predictable: {said}. Mean Spearman over genes: "
        f"{_number(genes['spearman'].mean())}.",
        table=table,
        level=LEVEL,
        warnings="\n" + "\n\n".join(warnings) + "\n" if warnings else "",
        trained="\n".join(f"- {key}: {value}" for key, value in facts.items()),
    )


def _weights(about):
    """Which weights are in the bundle, and which it needs besides."""
    encoder = about["encoder"]
    if about["head"]["head"] == "finetune":
        return (
            f"The weights of `{encoder['name']}`, trained further, are in it: what its licence "
            "asks holds for the bundle."
        )
    if encoder["spec"] is None:
        return f"It takes embeddings `{encoder['name']}` that were given, and can't make them."
    if isinstance(encoder["spec"], str):
        return "It needs no weights but these."
    sha256 = encoder["about"].get("weights_sha256", "not known")
    return f"The encoder's own weights are not in it: `{encoder['name']}`, SHA-256 `{sha256}`."


def _number(value):
    return "–" if value != value else f"{value:.2f}".replace("-", "−")
