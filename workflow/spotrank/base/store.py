"""Files written whole or not at all, files read with one-sentence errors, and logs of jobs."""

import codecs
import errno
import glob
import io
import logging
import os
import secrets
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path

RESOURCES = Path(__file__).parents[3] / "resources"
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


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


def refuse_links(path):
    """Raise `InputError` if an HDF5 file holds data that lie in another file: a hostile one could
    so bring any file of the machine into the results."""
    import h5py

    def elsewhere(name, what):
        if isinstance(what, h5py.ExternalLink) or (
            isinstance(what, h5py.Dataset) and (what.is_virtual or what.external)
        ):
            return name
        return None

    with h5py.File(path) as file:
        name = file.visititems_links(elsewhere) or file.visititems(elsewhere)
    if name:
        raise InputError(f"{path}: '{name}' lies in another file; copy it into this one.")


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


def read_h5ad(path, backed=None):
    """Read an h5ad file into AnnData; `InputError` if it is missing, truncated or no h5ad."""
    import anndata

    try:
        refuse_links(path)
        return anndata.read_h5ad(path, backed=backed)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the cohort's folder and samples.") from None
    except Exception as error:  # whatever the libraries make of a file that is damaged
        raise unreadable(path, error) from None


@contextmanager
def reading(path):
    """Turn what HDF5 says of a damaged file that the workflow made into an `InputError`."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise damaged(path, error) from None


def read_parquet(path):
    """A table (pyarrow) that the workflow wrote, checksums verified; `InputError` if damaged."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, page_checksum_verification=True)
    except Exception as error:  # whatever the library makes of a file that is damaged
        raise damaged(path, error) from None


def write_parquet(table, path):
    """Write a table (pyarrow) with checksums."""
    import pyarrow.parquet as pq

    pq.write_table(table, path, write_page_checksum=True)


def fixed_text(values):
    """Strings as an array of fixed width, which HDF5 can give a checksum, unlike others."""
    import h5py
    import numpy as np

    encoded = [value.encode() for value in values]
    return np.array(encoded, h5py.string_dtype("utf-8", max(map(len, encoded))))


def damaged(path, error):
    """The `InputError` of a file that the workflow made and something else changed."""
    return InputError(f"{path}: is damaged ({in_a_line(error)}); delete it and run again.")


def unreadable(path, error):
    """The `InputError` of an h5ad file that a library stumbles over."""
    return InputError(
        f"{path}: not a readable h5ad, perhaps truncated ({in_a_line(error)}); get it again, or if "
        "the workflow made it, delete it and run again."
    )


def in_a_line(error):
    """What an exception of a library says, short, for an `InputError`."""
    return " ".join(str(error).split())[:200] or type(error).__name__
