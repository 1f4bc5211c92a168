"""A lot: what one job makes, each thing only where it is not there as it should be.

The job's one output is the list of the lot's files, written when all are there: a job that is
killed loses the thing that it was at. A run begins with `forget`, so that to delete a file is to
have it made again, and to delete all of a lot is to do without them.
"""

import json
import logging
import time
from pathlib import Path

from spotrank.base.store import InputError, write_texts
from spotrank.base.words import as_list


def make(output, things, is_kept, make_one):
    """Make what is to be made of a lot, and list its files at `output`.

    things: each with `output`, its files as `{name: path}`, and `input`, paths of those that it is
    made of, by name; is_kept: whether the files of one, which are all there, are what is asked, or
    an `InputError` where one is damaged; make_one: makes one. One that ends in an `InputError` does
    not keep the others from being made; all that was said is raised at the end.
    """
    wanted, said = [thing for thing in things if not _stands(thing, is_kept)], []
    logging.info(
        "%d of %d are there, %d to make", len(things) - len(wanted), len(things), len(wanted)
    )
    began = time.monotonic()
    for done, thing in enumerate(wanted, start=1):
        try:
            _remove(thing)  # or a new part might be taken for the old one's
            make_one(thing)
        except InputError as error:
            # at once: of a full disk HDF5 can crash when the file is let go
            logging.error("%s", error)
            said.append(str(error))
            _remove(thing)
        left = (time.monotonic() - began) / done * (len(wanted) - done)
        name = next(iter(thing["output"].values()))
        logging.info("%d of %d made, about %.0f s left: %s", done, len(wanted), left, name)
    if said:
        raise InputError("\nError: ".join(dict.fromkeys(said)))
    paths = [path for thing in things for path in _paths(thing["output"])]
    write_texts({output: json.dumps({path: _seen(path) for path in paths}, indent=0)})
    _aside(output).unlink(missing_ok=True)


def forget(rests_on, result):
    """Delete the lists of which a file is gone or another than was listed, and what rests on them.

    Where whole folders are gone somebody cleared them away: the list is set aside, and what rests
    on it stands.

    rests_on: `{list: lists that it rests on}`, whether there or not; result: a file that rests on
    all, for Snakemake makes nothing again that nobody asks for.
    """
    needed, known = set().union(*rests_on.values()), {}

    def stands(path):
        if path not in known:
            below = [stands(own) for own in rests_on[path]]
            known[path] = all(below) and _holds(Path(path), path in needed)
            if not known[path] and Path(path).exists():
                Path(path).unlink()
                Path(result).unlink(missing_ok=True)
        return known[path]

    for path in rests_on:
        stands(path)


def _holds(path, may_be_cleared):
    """Whether what rests on a list stands; one whose files were cleared away is set aside."""
    if _is_true(path):
        return True
    if may_be_cleared and _was_cleared(path):
        path.replace(_aside(path))
    return _was_cleared(_aside(path))


def _aside(path):
    """Where the list of a lot is kept whose files were cleared away."""
    return Path(path).with_suffix(".cleared")


def _was_cleared(path):
    """Whether of a list's files no folder has only some, and those that are there are the same."""
    known = _listed(path)
    if known is None:
        return False
    there = {file: seen for file, seen in known.items() if Path(file).exists()}
    folders = {Path(file).parent for file in known.keys() - there.keys()}
    return all(Path(file).parent not in folders and _seen(file) == there[file] for file in there)


def _is_true(path):
    """Whether all files of a list are there, and as they were listed."""
    known = _listed(path)
    try:
        return known is not None and all(_seen(file) == seen for file, seen in known.items())
    except OSError:
        return False


def _listed(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _stands(thing, is_kept):
    """Whether a thing is there, no older than what it is made of, and is what is asked."""
    made, given = ([Path(path) for path in _paths(thing[key])] for key in ("output", "input"))
    try:
        if not all(path.exists() for path in made):
            return False
        since = min(path.stat().st_mtime_ns for path in made)
        return all(path.stat().st_mtime_ns <= since for path in given) and is_kept(thing)
    except InputError as error:
        logging.info("%s", error)
        return False


def _remove(thing):
    for path in _paths(thing["output"]):
        Path(path).unlink(missing_ok=True)


def _paths(named):
    """Files of `{name: path or paths}`."""
    return [path for own in named.values() for path in as_list(own)]


def _seen(path):
    """What tells at a glance whether a file is another."""
    stat = Path(path).stat()
    return [stat.st_size, stat.st_mtime_ns]
