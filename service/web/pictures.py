"""Pictures for the pages: radiographs as a viewer would show them, and our own heat maps, as PNG."""

import threading
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.objects import ObjectStore

#: Longest side of a picture on a page, in pixels.
MAXIMUM_SIDE = 1024

# Decoding a radiograph takes hundreds of megabytes at worst: one at a time.
_one_at_a_time = threading.Lock()


def radiograph_png(store: ObjectStore, object_key: str, maximum_pixels: int) -> bytes:
    """Return a received image as PNG, windowed as a viewer would show it.

    Raises
    ------
    ObjectMissing
        When retention has removed it.
    UndecodablePixels
        When nobody can decode it.
    """
    from service.dicom.pixels import decode, read_instance  # the codecs load with the first picture, not with the page

    with _one_at_a_time:
        values = decode(read_instance(BytesIO(store.read(object_key))), max_pixels=maximum_pixels).display()
        return _png(np.rint(_fitted(values) * 255).astype(np.uint8))


def heat_map_png(store: ObjectStore, object_key: str) -> bytes:
    """Return one of our own Secondary Captures as PNG; it is RGB and not compressed.

    Raises
    ------
    ObjectMissing
        When retention has removed it.
    """
    from pydicom import dcmread

    with _one_at_a_time:
        pixels = dcmread(BytesIO(store.read(object_key))).pixel_array
        return _png(cv2.cvtColor(_fitted(pixels), cv2.COLOR_RGB2BGR))


def _fitted(pixels: NDArray[Any]) -> NDArray[Any]:
    """Shrink a picture to `MAXIMUM_SIDE`; a smaller one stays as it is."""
    rows, columns = pixels.shape[:2]
    scale = MAXIMUM_SIDE / max(rows, columns)
    if scale >= 1:
        return pixels
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _png(pixels: NDArray[Any]) -> bytes:
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return encoded.tobytes()
