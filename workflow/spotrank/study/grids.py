"""What a config chooses, laid out: encoders, panels, losses, heads, auxiliary genes, and fits."""

from itertools import product
from pathlib import Path

from spotrank.base.store import InputError
from spotrank.base.words import nearest, one_of
from spotrank.encoders.registry import resolve, rows, trained_on
from spotrank.encoders.weightless import ENCODERS
from spotrank.fitting.auxiliary import STRATEGIES, UNBOUNDED
from spotrank.fitting.heads import ALL, NAMED
from spotrank.fitting.losses import ALL as LOSSES
from spotrank.genes.selections import SELECTIONS
from spotrank.study import own
from spotrank.study.entries import add, entries


def encoders(config):
    """`{name: entry}`, and `{name: what}` of those that were trained on what test slides may be of.

    An entry is a word for what has no weights or is given, else a dict.
    """
    cohorts = config["cohorts"]
    given = [name for cohort in cohorts.values() for name in cohort.get("embeddings", {})]
    given = list(dict.fromkeys(given))
    chosen, seen = {}, {}
    for entry in config.get("encoders", given or ["stain_statistics"]):
        entry = {"encoder": entry} if isinstance(entry, str) else entry
        word = entry.get("encoder") if entry.keys() <= {"encoder", "trained_on"} else None
        if word in [*ENCODERS, "pixels"] or (word in given and word not in rows()):
            name, spec = word, word
        else:
            name, spec = resolve(entry)
        add(chosen, name, spec, "encoders")
        if what := trained_on(entry):
            seen[name] = what
    for cohort, (name, spec) in product(cohorts, chosen.items()):
        if spec in given and name not in cohorts[cohort].get("embeddings", {}):
            raise InputError(
                f"config: cohorts.{cohort} has no embeddings '{name}', which 'encoders' names; "
                "add them there or leave the encoder out."
            )
    return chosen, seen


def panels(genes):
    """`{name: {selection, number, samples}}`, or `{name: {file}}` of a panel that is given."""
    chosen = {}
    for selection in genes["selection"]:
        one_of(selection, [*SELECTIONS, "file", "task"], "genes.selection")
        if selection == "task":  # chosen in view of all its samples
            chosen["task"] = {"selection": "task", "samples": "all"}
            continue
        if selection == "file":
            if not Path(genes.get("file", "")).is_file():
                raise InputError(
                    f"config: genes.file is {genes.get('file')!r}, no file of gene names; give "
                    "its path."
                )
            chosen[f"file-{Path(genes['file']).stem}"] = {"file": genes["file"]}
            continue
        for number, samples in product(genes["number"], genes["samples"]):
            chosen[_list_name(selection, number, samples)] = {
                "selection": selection,
                "number": number,
                "samples": samples,
            }
    return chosen


def losses(config):
    """`{label: (name, options)}`."""
    chosen, given = {}, own.read(config["losses"], "loss")
    for name, options, own_name in entries(given, "loss", LOSSES):
        words = ", ".join(f"{key}={str(value).lower()}" for key, value in options.items())
        label = own_name or (f"{name} ({words})" if words else name)
        add(chosen, label, (name, options), "losses")
    return chosen


def synthetic_losses(losses, synthetic):
    """`(label, list size, name, options)` of each loss of a synthetic study; list size 0 is the
    whole tissue, or a loss that has no lists."""
    chosen, sizes = [], (synthetic or {}).get("list_sizes", [])
    for label, (name, options) in losses.items():
        chosen.append((label, options.get("list_size", 0), name, options))
        if name == "strank_list" and "list_size" not in options:
            chosen += [(label, size, name, options | {"list_size": size}) for size in sizes]
    return chosen


def heads(config, said):
    """`{label: {head, options, training}}`.

    said: what the config itself says of the training, which goes before a head's own.
    """
    chosen, given = {}, own.read(config["heads"], "head")
    for name, options, own_name in entries(given, "head", NAMED, "training"):
        training = options.pop("training", {})
        of_paper = NAMED[name](1, 1, **options).training
        words = [f"{key}={str(value).lower()}" for key, value in options.items()]
        head = {
            "head": name,
            "options": options,
            "training": config["training"] | of_paper | said | training,
        }
        add(chosen, own_name or "-".join([name, *words]), head, "heads")
    return chosen


def built(head):
    """The head of an entry as for one gene of one feature: what it sees and shares."""
    return ALL[head["head"]](1, 1, **head["options"])


def auxiliary(config, losses):
    """`{label: {strategy, options, prior, number}}` of the strategies for auxiliary genes."""
    chosen = {}
    for name, options, own_name in entries(
        config["auxiliary"], "auxiliary", STRATEGIES, "prior", "number"
    ):
        words = [f"{key}={Path(str(value)).stem}" for key, value in options.items()]
        prior, number = options.pop("prior", "dispersion"), options.pop("number", "all")
        if prior not in SELECTIONS and not Path(prior).is_file():
            raise InputError(
                f"config: auxiliary: the prior '{prior}' is no file and no selection"
                f"{nearest(prior, SELECTIONS)}; give a file of genes and scores, or one of "
                f"{', '.join(SELECTIONS)}."
            )
        STRATEGIES[name](1, 1, **options)  # refuses values
        if name == "uncertainty":
            for loss, (kind, _) in losses.items():
                if kind in UNBOUNDED:
                    raise InputError(
                        "config: auxiliary: 'uncertainty' needs losses whose lowest value is "
                        f"known, and that of '{loss}' is not; leave it out of 'losses'."
                    )
        strategy = {"strategy": name, "options": options, "prior": prior, "number": number}
        add(chosen, own_name or "-".join([name, *words]), strategy, "auxiliary")
    return chosen


def uses_auxiliary(strategy):
    """Whether the strategy of an entry has a use for genes outside the panel."""
    return strategy["strategy"] != "none"


def rankings(auxiliary, samples):
    """`{name: entry}` of the lists of all genes that auxiliary genes are taken from."""
    priors = [strategy["prior"] for strategy in auxiliary.values() if uses_auxiliary(strategy)]
    return {
        ranking_name(prior, own): {"selection": prior, "number": "all", "samples": own}
        if prior in SELECTIONS
        else {"ranking": prior}
        for prior, own in product(priors, samples)
    }


def ranking_name(prior, samples):
    """Name of the list of all genes by a prior, over the training or over all samples."""
    if prior not in SELECTIONS:
        return f"ranking-{Path(prior).stem}"
    return _list_name(prior, "all", samples)


def _list_name(selection, number, samples):
    return f"{selection}-{number}" + ("" if samples == "train" else "-all_samples")


def fits(encoders, heads, auxiliary):
    """`(encoder, head, strategy)` that go together; `InputError` for one that finds no other."""

    def go_together(encoder, head):
        sees, entry = built(heads[head]).sees, encoders[encoder]
        if entry == "pixels":
            return sees == "either"
        return sees != "patches" or isinstance(entry, dict)

    def acts_on(strategy, head):
        return not uses_auxiliary(auxiliary[strategy]) or built(heads[head]).trunk

    pairs = [pair for pair in product(encoders, heads) if go_together(*pair)]
    for head in heads:
        if head not in {head for _, head in pairs}:
            raise InputError(
                f"config: heads: '{head}' finds no encoder that it can take; 'finetune' needs a "
                "timm model, all but 'histogene' need another encoder than 'pixels'."
            )
    for encoder in encoders:
        if encoder not in {encoder for encoder, _ in pairs}:
            raise InputError(
                f"config: encoders: no head takes '{encoder}'; add the head 'histogene'."
            )
    for head, strategy in product(heads, auxiliary):
        if not (
            any(acts_on(strategy, other) for other in heads)
            and any(acts_on(other, head) for other in auxiliary)
        ):
            raise InputError(
                f"config: auxiliary: '{strategy}' can't act on the head '{head}', in which genes "
                "share no trunk that their losses train; use low_rank, mlp, context, triplex, "
                "graph, histogene or finetune."
            )
    return [
        (encoder, head, strategy)
        for encoder, head in pairs
        for strategy in auxiliary
        if acts_on(strategy, head)
    ]
