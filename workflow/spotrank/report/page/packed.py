"""Numbers and pictures as text that a page can hold."""

import base64
import io

import numpy as np
from PIL import Image

LEVELS = {np.uint8: 254, np.uint16: 65534}  # the highest; one more is for what is undefined


def quantised(values, kind=np.uint8):
    """Values as whole numbers from 0 to LEVELS of `kind`, one more where undefined, and the `(low,
    high)` that the first and the last stand for. Each is off by at most half of a level.
    """
    levels = LEVELS[kind]
    values = np.asarray(values, float)
    known = np.isfinite(values)
    low, high = (float(f(values[known])) if known.any() else 0.0 for f in (np.min, np.max))
    steps = (np.where(known, values, low) - low) / ((high - low) or 1)
    found = np.where(known, np.rint(steps * levels), levels + 1)
    return found.astype(kind), (low, high)


def text_of(values):
    """Bytes of an array, the lowest of each number first, in base 64."""
    values = np.ascontiguousarray(values)
    little = values.astype(values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def picture(pixels, side):
    """An RGB array as a JPEG of at most `side` px, as the address of an image."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    image.save(file, "JPEG", quality=75, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def short(values, digits=3):
    """Numbers with some digits, None where undefined."""
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values]
