"""The standing of all encoders over tasks, from the ledger and the numbers of each patient.

A board is of one split, panel, head, loss, strategy and metric: its rows differ in the encoder
only. A task is a cohort.
"""

from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from spotrank.verdicts.best import DRAWS, draws, standing
from spotrank.verdicts.floors import OF_ALL, is_floor, is_given
from spotrank.verdicts.summary import CEILED, KEYS, METRICS
from spotrank.verdicts.units import LEVEL

BOARD = ["split", "panel", "head", "loss", "auxiliary", "metric"]
STANDING = ["rank", "rank_low", "rank_high", "p_best", "mean", "firsts"]
PATIENTS = ["study", "provenance", *KEYS, "patient", *CEILED]


def read_patients(cells, results):
    """Rows of the studies' `patients.tsv` of which the ledger tells, with their `study`.

    results: folder of all studies. Tables that are gone, or were made anew since, have none.
    """
    names, found = dict.fromkeys([*KEYS, "patient"], str), []
    options = {"sep": "\t", "dtype": names, "keep_default_na": False, "na_values": [""]}
    for study, own in cells.groupby("study"):
        path = Path(results, study, "tables/patients.tsv")
        if path.exists():
            table = pd.read_csv(path, **options).assign(study=study)
            found.append(table[table["provenance"].isin(own["provenance"])])
    return pd.concat(found or [pd.DataFrame(columns=PATIENTS)], ignore_index=True)


def cells(ledger):
    """The lines of the ledger that boards are made of, and the number of those left out.

    Of lines on one cell and setting the last counts; of a cohort that was measured in several
    settings, that which most encoders share, or the last of such. Other tools have no encoder.
    """
    own = ledger[~is_given(ledger)]
    own = own.drop_duplicates([*KEYS, "metric", "setting"], keep="last")
    of = [own[key] for key in ("cohort", *BOARD)]
    size = own.groupby([*of, own["setting"]])["encoder"].transform("nunique")
    most = own["setting"].where(size == size.groupby(of).transform("max"))
    kept = own["setting"] == most.groupby(of).transform("last")
    return own[kept].reset_index(drop=True), int((~kept).sum())


def boards(cells, patients):
    """Yield `(key of BOARD, standing, how)` of each board, those of METRICS' first and of most
    cells first.

    cells: of `cells`; patients: rows of `patients.tsv` with their `study`. standing: DataFrame by
    encoder, the best mean first: STANDING, `leak`, `holes`, and for each cohort the `value` and the
    number of its row of `cells`, as columns of two levels; how: see `_ranked`.
    """
    floor = is_floor(cells)
    own = list(cells[~floor].groupby(BOARD, sort=False))
    own.sort(key=lambda one: (METRICS.index(one[0][-1]), -len(one[1])))
    for key, rows in own:
        same = floor & (cells["encoder"] == OF_ALL)
        for name in ("split", "panel", "metric"):
            same &= cells[name] == rows[name].iloc[0]
        floors = cells[same].reset_index().merge(rows[["study", "cohort"]].drop_duplicates())
        yield dict(zip(BOARD, key, strict=True)), *board(rows, floors.set_index("index"), patients)


def board(rows, floors, patients):
    """The standing of the encoders of `rows`, lines of `cells` of one board, above `floors`."""
    values, numbers = _wide(rows)
    marked = rows.groupby("encoder")[["leak", "holes"]].agg(_said)
    sound = values.notna().all(axis=1) & (marked.reindex(values.index) == "").all(axis=1)
    table = pd.DataFrame(index=values.index, columns=STANDING, dtype=float)
    table["mean"] = values.mean(axis=1, skipna=False)
    mine = values[sound].round(12)
    table.loc[sound, "firsts"] = (mine == mine.max()).sum(axis=1)
    how = {"paired": [], "alone": [], "none": []}
    if sound.sum() > 1:
        table.loc[sound, "rank"] = (
            table.loc[sound, "mean"].round(12).rank(method="min", ascending=False)
        )
        drawn = _ranked(rows[rows["encoder"].isin(mine.index)], mine.index, patients, how)
        if drawn is not None:
            table.loc[sound, ["rank_low", "rank_high", "p_best"]] = drawn.to_numpy()
    below, of_floors = _wide(floors.assign(encoder=floors["loss"] + " (floor)"))
    below = below.reindex(columns=values.columns)
    floor = pd.DataFrame({"mean": below.mean(axis=1, skipna=False)}, below.index)
    table = pd.concat([table.sort_values("mean", ascending=False, kind="stable"), floor])
    table = table.join(marked).fillna({"leak": "", "holes": ""})
    both = pd.concat([values, below]), pd.concat([numbers, of_floors])
    parts = {"standing": table, "value": both[0], "cell": both[1].reindex(columns=values.columns)}
    return pd.concat({key: own.reindex(table.index) for key, own in parts.items()}, axis=1), how


def _wide(rows):
    """Values and numbers of `rows`, a row an encoder and a column a cohort."""
    rows = rows.assign(cell=rows.index)
    order = rows["encoder"].unique(), rows["cohort"].unique()
    wide = (rows.pivot(index="encoder", columns="cohort", values=key) for key in ("value", "cell"))
    return [own.reindex(index=order[0], columns=order[1]) for own in wide]


def _said(texts):
    return "; ".join(dict.fromkeys(filter(None, texts)))


def _ranked(rows, encoders, patients, how):
    """`best.standing` of the encoders' means over tasks, None where a task has no interval.

    The means of a task are drawn from its patients, paired over encoders, where all numbers of
    patients are at hand; else from each encoder's interval, as if of other patients: ranks are then
    less sure than they could be. `how` is told the tasks of each kind.
    """
    rng, drawn = np.random.default_rng(0), []
    for cohort, own in rows.groupby("cohort", sort=False):
        own = own.set_index("encoder").loc[encoders]
        paired = _paired(own.reset_index(), patients)
        if paired is not None:
            drawn.append(draws(paired.loc[encoders].to_numpy(), rng))
        elif own["low"].notna().all():
            drawn.append(_alone(own, rng))
        known = paired is not None or own["low"].notna().all()
        how["paired" if paired is not None else "alone" if known else "none"].append(cohort)
    return None if how["none"] else standing(reduce(np.add, drawn) / len(drawn))


def _paired(rows, patients):
    """Numbers of one task, a row an encoder and a column a patient; None if any is missing."""
    metric = rows["metric"].iloc[0]
    if metric not in CEILED:
        return None
    own = rows[["study", "provenance", *KEYS]].merge(patients)
    wide = own.pivot(index="encoder", columns="patient", values=metric)
    whole = len(wide) == len(rows) and wide.shape[1] > 1 and wide.notna().all(axis=None)
    return wide if whole else None


def _alone(rows, rng):
    """Means `(DRAWS, rows)`, each from its own interval by Student's t."""
    n = rows["n_patients"].to_numpy() - 1
    low, high = rows["low"].to_numpy(), rows["high"].to_numpy()
    error = (high - low) / 2 / special.stdtrit(n, (1 + LEVEL) / 2)
    return (low + high) / 2 + error * rng.standard_t(n, (DRAWS, len(rows)))


def printed(cells, tables):
    """Printed numbers of encoders beside those of `cells`; tables: `{name: what published.read
    gives}`. DataFrame, a row a printed number and what was measured of it."""
    found = []
    for name, (rows, keys, metric) in tables.items():
        if {"cohort", "encoder"} <= set(keys) <= set(KEYS):
            own = cells[(cells["metric"] == metric) & ~is_floor(cells)]
            rows = rows[[*keys, metric]].rename(columns={metric: "printed"})
            both = rows.merge(own, on=keys).assign(table=name)
            found.append(both.assign(difference=both["value"] - both["printed"]))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def text(found):
    """`leaderboard.tsv`: a row a board's row; found: of `boards`."""
    tables = []
    for key, table, _ in found:
        values = table["value"].rename(columns="value_{}".format)
        own = table["standing"].join(values).rename_axis("encoder").reset_index()
        tables.append(pd.DataFrame([key] * len(own)).join(own))
    return pd.concat(tables, ignore_index=True).to_csv(sep="\t", index=False)
