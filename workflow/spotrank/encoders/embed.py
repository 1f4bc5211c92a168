"""Embed patches: streamed from a slide or patch file, through an encoder, to an HDF5 file."""

import json
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from spotrank.base.store import InputError, whole
from spotrank.cohorts import hest
from spotrank.spots import slides

# version of the numbers: raise it with them, and every file made before is stale
NUMBERS = 1

MEMORY = 2 * 2**30  # bytes that the patches of a sample may take between two encoders


def embed(encoder, patches, barcodes, coords, path, made_by, batch_size, threads, record=dict):
    """Write the embeddings of all `patches` to `path`.

    encoder: `weightless.Encoder`; patches: `slides.SlidePatches` or `FilePatches`;
    barcodes: of their spots; coords: their centres in full-resolution px `(n, 2)`;
    made_by: everything that decides the numbers, kept as the attribute `made_by` (JSON);
    record: called at the end, gives what else is to be kept, see `provenance`.

    The file holds `embeddings (n, d)` float32, `barcode (n, 1)` bytes and `coords (n, 2)`, centres.
    Memory does not grow with the number of patches: a few batches are read ahead in threads.
    """
    import h5py
    from tqdm import tqdm

    n, expected = len(patches), made_by.get("dimension")
    with whole(path) as temporary, h5py.File(temporary, "w") as file:
        start = 0
        with tqdm(total=n, unit="spot", mininterval=2, ascii=True) as progress:
            for vectors in one_behind(map(encoder.embed, read_ahead(patches, batch_size, threads))):
                if not np.isfinite(vectors).all():
                    raise InputError(
                        f"{path}: the encoder gives numbers that are not finite at precision "
                        f"{made_by.get('precision')}; use another precision."
                    )
                if expected not in (None, vectors.shape[1]):
                    raise InputError(
                        f"{path}: the encoder gives {vectors.shape[1]} numbers a patch, but "
                        f"{expected} are stated; correct 'pooling' or resources/encoders.yaml."
                    )
                if start == 0:
                    embeddings = file.create_dataset(
                        "embeddings", (n, vectors.shape[1]), "f4", fletcher32=True
                    )
                embeddings[start : start + len(vectors)] = vectors
                start += len(vectors)
                progress.update(len(vectors))
        file["barcode"] = np.array(barcodes, "S")[:, None]
        file["coords"] = np.asarray(coords)
        file.attrs["made_by"] = json.dumps(made_by, sort_keys=True)
        about = made_by | encoder.about | {"patch_px": encoder.size, "dimension": vectors.shape[1]}
        for key, value in about.items():
            file.attrs[key] = value if isinstance(value, int | float) else str(value)
        file["record"] = json.dumps(record())
        file.attrs["n_spots"] = n  # last: a file without it is not complete
    logging.info("%d spots embedded", n)


def patches_of(size, interpolation, geometry, st, metadata, wsi=None, patch_file=None):
    """Patches of a sample as `(patches, barcodes, centres)`, from its slide or its patch file.

    size, interpolation: what an encoder takes; geometry: the config's `patches`. From a
    slide come all spots of `st` whose patch lies on it, whether they pass QC or not: thresholds of
    QC are often changed, and embeddings are dear.
    """
    pixel_size_um, how = hest.read_pixel_size(metadata), (size, interpolation)
    if patch_file is not None:
        patches = slides.FilePatches(patch_file, geometry, pixel_size_um, *how)
        return patches, patches.barcodes, patches.centres
    spots = hest.read_spots(st)
    spatial = np.asarray(spots.obsm["spatial"], float)
    side = slides.patch_side(geometry, pixel_size_um)
    inside = slides.on_slide(wsi, spatial, side, st, metadata)
    patches = slides.SlidePatches(wsi, spatial[inside], side, *how)
    return patches, list(spots.obs_names[inside]), spatial[inside]


class Kept:
    """Patches that are read once, and kept in memory for whoever asks for them again."""

    def __init__(self, patches):
        self.patches, self.size = patches, patches.size
        self.images = np.empty((len(patches), self.size, self.size, 3), np.uint8)
        self.is_read = np.zeros(len(patches), bool)

    def __len__(self):
        return len(self.patches)

    def __getitem__(self, i):
        if not self.is_read[i]:
            self.images[i] = self.patches[i]
            self.is_read[i] = True
        return self.images[i]


def kept(patches, *others):
    """`(patches, *others)`, the patches `Kept` unless they take more than MEMORY."""
    is_small = len(patches) * 3 * patches.size**2 <= MEMORY
    return Kept(patches) if is_small else patches, *others


def all_patches(px, geometry, st, metadata, wsi, patch_file, threads):
    """All patches of a sample in memory, as `(barcodes, uint8 (n, px, px, 3))`."""
    patches, barcodes, _ = patches_of(px, "lanczos", geometry, st, metadata, wsi, patch_file)
    return list(barcodes), np.concatenate(list(read_ahead(patches, 64, threads)))


def read_ahead(patches, batch_size, threads, batches=2):
    """Yield uint8 arrays `(batch_size, px, px, 3)`, reading the next `batches` in threads."""

    def read_into(batch, row, i):
        batch[row] = patches[i]

    queue = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(patches), batch_size):
            rows = range(start, min(start + batch_size, len(patches)))
            batch = np.empty((len(rows), patches.size, patches.size, 3), np.uint8)
            queue.append((batch, [pool.submit(read_into, batch, i - start, i) for i in rows]))
            if len(queue) > batches:
                yield _read(*queue.popleft())
        while queue:
            yield _read(*queue.popleft())


def _read(batch, reading):
    for row in reading:
        row.result()
    return batch


def one_behind(batches):
    """Yield each batch as an array, when the next is under way: a GPU need not wait for us."""
    queue = deque()
    for batch in batches:
        queue.append(batch)
        if len(queue) > 1:
            yield _array(queue.popleft())
    while queue:
        yield _array(queue.popleft())


def _array(batch):
    return batch if isinstance(batch, np.ndarray) else batch.cpu().numpy()
