"""HEST-1k's files on the hub: which there are, and how they are brought."""

from pathlib import Path

from spotrank.base.store import InputError, whole
from spotrank.cohorts import hub
from spotrank.cohorts.sources.table import newest

HEST = Path("resources/hest")  # of HEST-1k's own files, which belong to no cohort
REPOSITORY = ("MahmoodLab/hest", "dataset")
SUFFIXES = {"st": "h5ad", "wsis": "tif", "patches": "h5", "metadata": "json"}


def hest_table(revision):
    """Path of HEST-1k's newest metadata table at a revision, from the hub unless it is here."""
    folder = HEST / revision
    if not (table := newest(folder.glob("HEST_v*.csv"))):
        commit = _commit(revision)
        listing = hub.listing(*REPOSITORY, commit)
        if not (table := newest(map(Path, listing))):
            raise InputError(
                f"{REPOSITORY[0]}: there is no metadata table HEST_v*.csv at revision "
                f"'{revision}'; correct 'revision'."
            )
        name = str(table)
        hub.download(hub.files(*REPOSITORY, commit, [name])[name], folder / name)
        return folder / name
    return table


def _commit(revision):
    """The commit that a revision named first, kept beside the files: all of them come from that."""
    kept = HEST / revision / "commit.txt"
    if not kept.exists():
        # few tries: no plan is made without it, and somebody waits for the plan
        commit = hub.commit_of(*REPOSITORY, revision, pauses=hub.FEW)
        with whole(kept) as path:
            path.write_text(f"{commit}\n")
    return kept.read_text().strip()


def hest_files(revision, names, pauses=hub.PAUSES):
    """`{name: hub.File}` of HEST-1k's files; `InputError` for one that is not in the data set."""
    commit = _commit(revision)
    found = hub.files(*REPOSITORY, commit, names, pauses)
    if missing := [name for name in names if name not in found]:
        raise InputError(
            f"{REPOSITORY[0]} has no {missing[0]} at revision '{revision}', though its table names "
            "the sample; leave it out, or use patches.source: wsis."
        )
    return found


def name_of(kind, sample):
    """Name of a sample's file of one `kind`, as HEST-1k has it."""
    return f"{kind}/{sample}.{SUFFIXES[kind]}"


def bring(revision, paths):
    """Download HEST-1k's files whose `paths` are these, each whole and checked."""
    names = {str(Path(path).relative_to(HEST / revision)): path for path in paths}
    for name, file in hest_files(revision, list(names)).items():
        hub.download(file, names[name])
