"""Heads and losses of one's own, as the config names them."""

from pathlib import Path

from spotrank.base.store import InputError
from spotrank.fitting.own import line_of

# what names the object in its file, and what of an entry is not for the object
OF_HEADS = "class", ("name", "training", "neighbours", "radius_um", "slides")
OF_LOSSES = "function", ("name",)


def read(given, key):
    """The config's entries of heads or losses (`key`), with the file's text in those of one's own.

    `InputError` where a file or a name is not given, or the file can't be read or lacks it.
    """
    kind, ours = OF_HEADS if key == "head" else OF_LOSSES
    entries = ({key: entry} if isinstance(entry, str) else dict(entry) for entry in given)
    return [_read(entry, key, kind, ours) if entry[key] == "own" else entry for entry in entries]


def _read(entry, key, kind, ours):
    where = f"config: {'heads' if key == 'head' else 'losses'}: 'own'"
    for needed in ("file", kind):
        if not isinstance(entry.get(needed), str):
            raise InputError(f"{where} needs '{needed}'; give it (docs/your_own.md).")
    name = entry[kind]
    try:
        source = Path(entry["file"]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise InputError(f"{where}: {entry['file']}: {reason}; correct 'file'.") from None
    line_of(source, entry["file"], kind, name)
    taken = {own: entry[own] for own in ours if own in entry}
    arguments = {
        own: value for own, value in entry.items() if own not in (key, "file", kind, *ours)
    }
    named = {"kind" if kind == "class" else kind: name}
    return {key: "own", "name": name, "file": entry["file"], **named, "source": source,
            "arguments": arguments, **taken}  # fmt: skip
