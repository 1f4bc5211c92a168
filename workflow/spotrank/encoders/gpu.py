"""A GPU for a job, where several jobs and several people's run side by side on one machine."""

import fcntl
import logging
import os
import tempfile
import time
from pathlib import Path

from spotrank.base.store import InputError


def free_device():
    """'cpu', or a GPU that no other job here has; waits for one, and holds it till this one ends.

    So jobs that run side by side on one machine take a GPU each.
    """
    import torch

    gpus = range(torch.cuda.device_count())
    names = [str(torch.cuda.get_device_properties(gpu).uuid) for gpu in gpus]
    return f"cuda:{claim(names)}" if names else "cpu"


def claim(names, wait=1):
    """Index of the first of `names` that no other process holds; held till this process ends."""
    locks = [_open(Path(tempfile.gettempdir()) / f"spotrank-{name}.lock") for name in names]
    logging.info("waiting for a GPU that no other job has, of %d", len(names))
    while True:
        for index, lock in enumerate(locks):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _HELD.append(lock)
            return index
        time.sleep(wait)


def _open(path):
    """An open file to lock, which whoever came first has made for all users of the machine.

    A lock needs no right to write, and the kernel refuses to open another's file in a shared
    folder as if to make it. Raises `InputError` if its owner keeps it from us.
    """
    try:
        mask = os.umask(0)
        try:
            path.touch(0o644, exist_ok=False)
        except FileExistsError:
            pass
        finally:
            os.umask(mask)
        return path.open()
    except PermissionError:
        raise InputError(
            f"{path}: can't be opened; have its owner remove it, or set TMPDIR to another folder."
        ) from None


_HELD = []  # open files, whose locks go with the process
