"""The page of a study: `data` gathers what it shows, `html` fills it in one file.

The payload is JSON in the page; what draws it are the modules of JavaScript beside this one and the
libraries in `vendor/`, in the order of SCRIPTS. The page asks for nothing else: its policy of
content forbids it.
"""

import hashlib
import json
from pathlib import Path

import jinja2
import pandas as pd

from spotrank.report.page import answer, methods, tables, training
from spotrank.report.page.cells import cells
from spotrank.report.page.picture import picture
from spotrank.verdicts.summary import KEYS

FOLDER = Path(__file__).parent
LIBRARIES = ("d3", "plot")
SCRIPTS = (
    "draw.js",
    "tables.js",
    "answer.js",
    "training.js",
    "tissue.js",
    "genes.js",
    "slides.js",
    "page.js",
)
STYLES = ("page.css", "genes.css")
LINE_SEPARATORS = {"<": "\\u003c", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def data(known, summary, comparisons, samples, scores, histories, published=None, sets=None):
    """What the page shows of a study but its genes and slides, as JSON holds it.

    known: `provenance.json`; summary, samples, published, sets: as DataFrames of the TSV files, see
    `read`; comparisons: of `compare.read`; scores: path of `scores.parquet`; histories: paths of
    the fits' histories.
    """
    said = answer.answers(summary, comparisons)
    curves = training.curves(histories)
    paragraph, references = methods.paragraph(known, summary, samples, said, bool(curves))
    behind = cells(scores, summary)
    shown = [
        tables.wide(summary),
        tables.scores(summary),
        tables.differences(comparisons),
        None if published is None else tables.published(published),
        None if sets is None else tables.sets(sets),
        tables.samples(samples),
    ]
    return {
        "study": known["study"],
        "question": methods.question(known, summary, samples),
        "answers": said,
        "warnings": answer.warnings(summary, samples, known),
        "made": methods.made(known),
        "picture": picture(summary, behind),
        "tables": [table for table in shown if table],
        "cells": behind,
        "training": curves,
        "methods": paragraph,
        "references": references,
        "citation": methods.citation(known),
        "config": methods.config_text(known),
        "provenance": methods.provenance(known),
    }


def read(path):
    """A table of the study, texts that are empty as such; names are texts, 'NA' and '1' too."""
    names = [*KEYS, "number", "patient", "sample", "unit", "section", "set"]
    options = {"dtype": dict.fromkeys(names, str), "keep_default_na": False, "na_values": [""]}
    table = pd.read_csv(path, sep="\t", **options)
    texts = {"leak", "holes", "marks"} & set(table)
    return table.fillna(dict.fromkeys(texts, ""))


def html(data, template="page.html", scripts=SCRIPTS, styles=STYLES):
    """The page: `data`, with `genes` and `slides` or None, in one file of HTML; or another page of
    the same look, by its own template and scripts."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined
    )
    payload = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, written in LINE_SEPARATORS.items():
        payload = payload.replace(character, written)
    return environment.get_template(template).render(
        data,
        payload=payload,
        libraries=_libraries(),
        scripts=_texts(scripts),
        styles=_texts(styles),
    )


def _libraries():
    """Each library below its licence, which has to go with it."""
    licences = _texts(f"vendor/{name}.LICENSE" for name in LIBRARIES)
    texts = _texts(f"vendor/{name}.min.js" for name in LIBRARIES)
    return [f"/*!\n{own}*/\n{text}" for own, text in zip(licences, texts, strict=True)]


def _texts(names):
    return [(FOLDER / name).read_text(encoding="utf-8") for name in names]


def look(template="page.html", scripts=SCRIPTS, styles=STYLES):
    """Hash of all that a page is made with besides code in Python."""
    parts = [*_libraries(), *_texts((*scripts, *styles, template))]
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:12]
