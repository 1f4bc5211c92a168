"""A GPU for a job, where several jobs run side by side on one machine."""

import fcntl
import logging
import tempfile
import time
from pathlib import Path


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
    locks = [(Path(tempfile.gettempdir()) / f"spotrank-{name}.lock").open("a") for name in names]
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


_HELD = []  # open files, whose locks go with the process
