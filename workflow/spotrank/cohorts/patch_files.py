"""HEST's own patches of a sample, `patches/<id>.h5`, read and checked."""

import logging
from itertools import product

import numpy as np

from spotrank.base.store import InputError, in_a_line, refuse_links

# attributes that tell the side of a patch: in px of the whole slide, or in px of `PX` µm each
OF_SLIDE = ("patch_size_src", "patch_size_level0")
OWN, PX = ("patch_size_target", "patch_size"), ("pixel_size", "um_per_px", "mpp")


def read_patches(path, geometry, pixel_size_um):
    """Barcodes (list of str), centres in px `(n, 2)`, images `(n, px, px, 3)` uint8, on disk.

    geometry: the config's `patches`, which the file's must agree with, as far as its attributes
    tell; pixel_size_um: µm/px of the slide, on which the file has the patches' upper left corners.
    `InputError` if it is not such a file, or its patches are of another width.
    """
    import h5py

    try:
        refuse_links(path)
        file = h5py.File(path)
        barcodes = [barcode.decode() for barcode in file["barcode"][:].ravel()]
        corners, images = np.asarray(file["coords"][:], float), file["img"]
        shape, dtype = images.shape, images.dtype
        side_um = _side_um(file, pixel_size_um)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; get it or use patches.source: wsis.") from None
    except InputError:
        raise
    except Exception as error:  # whatever the library makes of a file that is damaged
        raise InputError(
            f"{path}: not HEST's patch file with 'img', 'barcode' and 'coords' "
            f"({in_a_line(error)}); get it again."
        ) from None
    if len(shape) == 4 and shape[1] == 3 != shape[3]:
        raise InputError(
            f"{path}: 'img' is {shape}, channels first; write it as (n, px, px, 3), channels last."
        )
    if dtype != np.uint8 or len(shape) != 4 or not 0 < shape[1] == shape[2] or shape[3] != 3:
        raise InputError(
            f"{path}: 'img' is {dtype} {shape}, not uint8 (n, px, px, 3); get it again."
        )
    if not barcodes:
        raise InputError(f"{path}: holds no patch; get it again.")
    if not len(barcodes) == len(corners) == len(images):
        raise InputError(f"{path}: 'img', 'barcode' and 'coords' differ in length; get it again.")
    if corners.shape != (len(barcodes), 2) or not np.isfinite(corners).all():
        raise InputError(f"{path}: 'coords' is not two finite numbers a patch; get it again.")
    if len(set(barcodes)) < len(barcodes):
        raise InputError(f"{path}: a barcode stands there twice; keep one patch a spot.")
    asked_um = geometry["size"] * geometry["um_per_px"]
    if side_um is None:
        logging.info("%s: doesn't say how wide its patches are; assumed: %g µm", path, asked_um)
        side_um = asked_um
    if abs(side_um / asked_um - 1) > 0.02:
        raise InputError(
            f"{path}: its patches are {side_um:.4g} µm wide, but 'patches' of the config asks for "
            f"{geometry['size']} px × {geometry['um_per_px']} µm/px = {asked_um:.4g} µm; set size: "
            f"{shape[1]} and um_per_px: {side_um / shape[1]:.4g} there, or cut them again."
        )
    return barcodes, corners + side_um / pixel_size_um / 2, images


def strangers(path, barcodes, st, spots):
    """The `InputError` of a patch file whose `barcodes` are none of the `spots` of `st`."""
    barcodes, spots = list(barcodes), list(spots)
    more = _affix(barcodes, spots) or _affix(spots, barcodes)
    cause = (
        f"they differ by '{more}', so write them alike" if more else "they are of different samples"
    )
    return InputError(
        f"{path} has no barcode in common with {st}: '{barcodes[0]}' there, '{spots[0]}' here; "
        f"{cause}."
    )


def _affix(short, long):
    """What most names of `short`, tried on some, must have before and after to be in `long`."""
    some, known = short[:20], set(long)
    for name, other in product(some, long):
        before, found, after = other.partition(name)
        if found and 2 * sum(before + each + after in known for each in some) > len(some):
            return before + after
    return None


def _side_um(file, pixel_size_um):
    """Side of a patch in µm by the attributes of a patch file, or None if they don't tell."""
    told = {**file.attrs, **file["coords"].attrs, **file["img"].attrs}
    of_slide, own, px = (
        next((float(np.ravel(told[name])[0]) for name in names if name in told), None)
        for names in (OF_SLIDE, OWN, PX)
    )
    if of_slide:
        return of_slide * pixel_size_um
    return own * px if own and px else None
