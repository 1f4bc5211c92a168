"""Files written whole or not at all, files read with one-sentence errors, and logs of jobs."""

import codecs
import errno
import glob
import io
import logging
import os
import posixpath
import re
import secrets
import sys
import traceback
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

RESOURCES = Path(__file__).parents[3] / "resources"
AT_A_TIME = 1 << 18  # rows of a table: memory stays that of so many, or of one file
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


# what HDF5, anndata and the system say of a file that may well be whole; what it means, what to do
WHOLE = {
    r"unable to lock file, errno = 11\b": "another program holds it open to write; close it there",
    r"unable to lock file": "its file system can't lock files; set HDF5_USE_FILE_LOCKING=FALSE",
    r"already open for write": "is marked as being written; close it there, or if that program was "
    "killed, try `h5clear -s` on a copy",
    r"Is a directory": "is a folder, as zarr is; write it as one file of HDF5",
    r"Permission denied|Operation not permitted": "may not be read; allow it",
    r"superblock version": "says that a later version of HDF5 wrote it; write it with an older "
    "one (h5repack), or install a later one",
    r"[Nn]o read\w* method registered": "holds a part that only a later version of "
    "anndata can read; write it with an older one, or install a later one",
    r"plugin|filter .*not (registered|available)": "is compressed by a filter that isn't "
    "installed; write it with compression='gzip'",
    r"Unable to allocate|MemoryError": "doesn't fit in memory; give the job more",
    r"Input/output error|Stale file handle|timed out": "its disk or network fails; wait until it "
    "works",
}
# first bytes of what lies where an HDF5 file should; what it is, what to do
NOT_HDF5 = {
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself with `git lfs pull`",
    b"<": "a web page, as a failed download leaves; get the file itself",
    b"{": "a message in JSON, as a failed download leaves; get the file itself",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"PK": "a zip archive; unpack it, or if it is zarr, write it as HDF5",
    bytes(8): "nothing but zeros at its start, as an unfinished download leaves; get it again",
}


class InputError(Exception):
    """One sentence for a person: which file or key, what is wrong, what to do."""


@contextmanager
def whole(path):
    """Yield a temporary path beside `path` that becomes `path` if the block succeeds.

    What a killed job left is removed by the next that writes `path`. Of two that write it at once,
    on one machine or two, the later wins, and the other ends in an `InputError`, as does one that
    the disk has no room for or that may not write there.
    """
    path = Path(path)
    temporary = path.with_name(f".part-{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".part-{'?' * 8}-{glob.escape(path.name)}"):
            left.unlink(missing_ok=True)
        yield temporary
        if not temporary.exists():
            raise InputError(f"{path}: another run writes it too; end one of them and run again.")
        temporary.replace(path)
    except Exception as error:
        for reason in map(os.strerror, DISK):  # some libraries keep the words only
            if reason in str(error):
                raise InputError(
                    f"{path}: {reason}; make room, or allow to write there, and run again."
                ) from None
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_texts(texts):
    """Write each text of `{path: text}`, whole or not at all."""
    for path, text in texts.items():
        with whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def read_text(path):
    """Text of a file that people write, in UTF-8 with or without a byte order mark or in UTF-16
    with one, every end of a line as "\\n"; `InputError` if it is no text."""
    try:
        content = Path(path).read_bytes()
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; put it there, or correct its name.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not readable as text ({in_a_line(error)}); save it in UTF-8."
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: not readable as text (it holds zeros); save it in UTF-8.")
    return io.StringIO(text, newline=None).read()


def refuse_links(path, names=None):
    """Raise `InputError` if what `names` of an HDF5 file, or all, hold lies in another file: a
    hostile one could so bring any file of the machine into the results."""
    import h5py

    with h5py.File(path) as file:
        found = next(filter(None, (_elsewhere(file, name) for name in names or file)), None)
    if found:
        raise InputError(f"{path}: '{found}' lies in another file; copy it into this one.")


def _elsewhere(file, name):
    """`name`, what leads there, or a part of it, if that lies in another file; else None."""
    import h5py

    for step in accumulate(name.split("/"), "{}/{}".format):
        link = file.get(step, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            return step
        if isinstance(link, h5py.SoftLink):
            target = posixpath.join(f"/{posixpath.dirname(step)}", link.path)
            if _elsewhere(file, target.strip("/")):
                return step
    what = file.get(name)
    if isinstance(what, h5py.Group):
        return next(filter(None, (_elsewhere(file, f"{name}/{part}") for part in what)), None)
    return name if isinstance(what, h5py.Dataset) and (what.is_virtual or what.external) else None


@contextmanager
def job(log):
    """Send everything the block prints to the file `log`; end an `InputError` in one sentence."""
    with open(log, "w", buffering=1, encoding="utf-8") as stream:
        sys.stdout = sys.stderr = stream
        logging.basicConfig(
            stream=stream, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
        )
        try:
            yield stream
        except InputError as error:
            print(f"Error: {error}")
            sys.exit(1)
        except Exception:  # a fault of ours: the log has it all
            traceback.print_exc()
            sys.exit(1)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def read_h5ad(path):
    """An h5ad file that the workflow made, as AnnData; `InputError` if it can't be read."""
    import anndata

    try:
        refuse_links(path)
        return anndata.read_h5ad(path)
    except InputError:
        raise
    except Exception as error:  # whatever the libraries make of a file that is damaged
        raise damaged(path, error) from None


@contextmanager
def reading(path):
    """Turn what HDF5 says of a damaged file that the workflow made into an `InputError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise damaged(path, error) from None


def read_parquet(path, filters=None):
    """A table (pyarrow) that the workflow wrote, or the rows that `filters` of pyarrow leave of it,
    checksums verified; `InputError` if damaged."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, filters=filters, page_checksum_verification=True)
    except Exception as error:  # whatever the library makes of a file that is damaged
        raise damaged(path, error) from None


def write_parquet(table, path):
    """Write a table (pyarrow) with checksums."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, write_page_checksum=True)


def lots(paths):
    """Tables (pyarrow) of files that the workflow wrote, as many joined as have AT_A_TIME rows."""
    import pyarrow as pa

    some = []
    for path in paths:
        some.append(read_parquet(path))
        if sum(map(len, some)) >= AT_A_TIME:
            yield pa.concat_tables(some)
            some = []
    if some:
        yield pa.concat_tables(some)


def write_lots(tables, path, metadata):
    """Write tables (pyarrow) of one schema as one, with checksums, a row group each."""
    import pyarrow.parquet as pq

    table = next(tables)
    schema = table.schema.with_metadata(metadata)
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        while table is not None:
            writer.write_table(table, len(table))
            table = next(tables, None)


def row_groups(path, columns=None):
    """DataFrames of what `write_lots` wrote, or of some columns of it, texts as categories;
    `InputError` if damaged."""
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for i in range(file.num_row_groups):
                yield file.read_row_group(i, columns).to_pandas(strings_to_categorical=True)
    except (OSError, ValueError) as error:  # pyarrow's errors are such
        raise damaged(path, error) from None


def fixed_text(values):
    """Strings as an array of fixed width, which HDF5 can give a checksum, unlike others."""
    import h5py
    import numpy as np

    encoded = [value.encode() for value in values]
    return np.array(encoded, h5py.string_dtype("utf-8", max(map(len, encoded))))


def damaged(path, error):
    """The `InputError` of a file that the workflow made and can't read."""
    return _whole(path, error) or InputError(
        f"{path}: is damaged ({in_a_line(error)}); delete it and run again."
    )


def unreadable(path, error, kind="h5ad"):
    """The `InputError` of an HDF5 file of the user's that a library stumbles over; kind: of what
    it should be."""
    said = in_a_line(error)
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file; check the cohort's folder and samples.")
    if sizes := re.search(r"\beof = (\d+).*stored_eof = (\d+)", said):
        return InputError(f"{path}: is truncated, {sizes[1]} of {sizes[2]} bytes; get it again.")
    if found := _whole(path, error):
        return found
    if "file signature not found" in said:
        return InputError(f"{path}: not a readable {kind}, but {_no_hdf5(path)}.")
    return InputError(
        f"{path}: not a readable {kind} ({said}); if other programs open it, write it with them "
        "again, else get it again."
    )


def _whole(path, error):
    """The `InputError` of a file that may be whole though it can't be read, or None."""
    said = f"{type(error).__name__} {error}"
    causes = (cause for pattern, cause in WHOLE.items() if re.search(pattern, said))
    return next((InputError(f"{path}: {cause}, and run again.") for cause in causes), None)


def _no_hdf5(path):
    """What a file is that isn't HDF5, and what to do."""
    with open(path, "rb") as file:
        start = file.read(100)
    if not start:
        return "empty; get it again"
    start = start.removeprefix(codecs.BOM_UTF8).lstrip() or start
    known = (what for magic, what in NOT_HDF5.items() if start.startswith(magic))
    return next(known, "no HDF5 file at all; put the sample's own there")


def in_a_line(error):
    """What an exception of a library says, short, for an `InputError`."""
    return " ".join(str(error).split())[:200] or type(error).__name__
