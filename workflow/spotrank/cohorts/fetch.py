"""HEST-1k's files on the hub: which there are, and how they are brought.

A *home* is a revision of HEST-1k, or of another repository in its layout, `OWNER--NAME@REVISION`:
the name of a folder in `HEST`.
"""

from pathlib import Path

from spotrank.base.store import InputError, whole
from spotrank.cohorts import hub
from spotrank.cohorts.sources.table import newest

HEST = Path("resources/hest")  # of HEST-1k's own files, which belong to no cohort
REPOSITORY = "MahmoodLab/hest"
KIND = "dataset"
SUFFIXES = {"st": "h5ad", "wsis": "tif", "patches": "h5", "metadata": "json"}


def home(owner_name, revision):
    """The home that a repository `OWNER/NAME` has at a revision."""
    return revision if owner_name == REPOSITORY else f"{owner_name.replace('/', '--')}@{revision}"


def repository(home):
    """`(repository, revision)` of a home."""
    owner_name, _, revision = home.rpartition("@")
    return owner_name.replace("--", "/", 1) or REPOSITORY, revision


def hest_table(home):
    """Path of a home's newest metadata table, from the hub unless it is here."""
    folder = HEST / home
    if not (table := newest(folder.glob("HEST_v*.csv"))):
        (owner_name, revision), commit = repository(home), _commit(home)
        listing = hub.listing(owner_name, KIND, commit)
        if not (table := newest(map(Path, listing))):
            raise InputError(
                f"{owner_name}: there is no metadata table HEST_v*.csv at revision "
                f"'{revision}'; correct 'revision'."
            )
        name = str(table)
        hub.download(hub.files(owner_name, KIND, commit, [name])[name], folder / name)
        return folder / name
    return table


def _commit(home):
    """The commit that a revision named first, kept beside the files: all of them come from that."""
    kept = HEST / home / "commit.txt"
    if not kept.exists():
        # few tries: no plan is made without it, and somebody waits for the plan
        owner_name, revision = repository(home)
        commit = hub.commit_of(owner_name, KIND, revision, pauses=hub.FEW)
        with whole(kept) as path:
            path.write_text(f"{commit}\n")
    return kept.read_text().strip()


def on_hub(home, names, pauses=hub.PAUSES):
    """`{name: hub.File}` of those `names` that a home has."""
    return hub.files(repository(home)[0], KIND, _commit(home), names, pauses)


def hest_files(home, names, pauses=hub.PAUSES):
    """`{name: hub.File}` of a home's files; `InputError` for one that is not in the data set."""
    found = on_hub(home, names, pauses)
    if missing := [name for name in names if name not in found]:
        owner_name, revision = repository(home)
        raise InputError(
            f"{owner_name} has no {missing[0]} at revision '{revision}', though it lists the "
            "sample; leave that out, or take another 'revision' or patches.source."
        )
    return found


def name_of(kind, sample):
    """Name of a sample's file of one `kind`, as HEST-1k has it."""
    return f"{kind}/{sample}.{SUFFIXES[kind]}"


def bring(home, paths):
    """Download a home's files whose `paths` are these, each whole and checked."""
    names = {str(Path(path).relative_to(HEST / home)): path for path in paths}
    for name, file in hest_files(home, list(names)).items():
        hub.download(file, names[name])
