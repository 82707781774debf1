"""Pictures for the pages: radiographs as a viewer would show them, their grey values, and our own heat maps."""

import threading
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.objects import ObjectStore

#: Longest side of a picture on a page, in pixels.
MAXIMUM_SIDE = 1024
#: Longest side of the grey values that a page windows by itself, in pixels.
MAXIMUM_GREY_SIDE = 2048

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


@dataclass(frozen=True)
class GreyValues:
    """An image's grey values for a page: their codes in little endian, and what the codes mean.

    Attributes
    ----------
    facts
        Size, the size before it was shrunk, and the rest of `service.dicom.pixels.WindowableImage`.
    """

    codes: bytes
    facts: dict[str, float | int | str | bool]


def grey_values(store: ObjectStore, object_key: str, maximum_pixels: int) -> GreyValues:
    """Return the grey values of a received image; of one with more than `MAXIMUM_GREY_SIDE` pixels, their means.

    Raises
    ------
    ObjectMissing
        When retention has removed it.
    UndecodablePixels
        When nobody can decode it.
    """
    from service.dicom.pixels import decode, read_instance

    with _one_at_a_time:
        image = decode(read_instance(BytesIO(store.read(object_key))), max_pixels=maximum_pixels).grey()
        codes = _fitted(image.codes, MAXIMUM_GREY_SIDE)
        if codes is not image.codes:
            # Beside padding a mean would be of both; there the nearest pixel decides.
            padding = cv2.resize((image.codes == 0).view(np.uint8), codes.shape[::-1], interpolation=cv2.INTER_AREA)
            nearest = cv2.resize(image.codes, codes.shape[::-1], interpolation=cv2.INTER_NEAREST)
            codes = np.where(padding > 0, nearest, codes)
    rows, columns = codes.shape
    facts: dict[str, float | int | str | bool] = {
        "rows": rows,
        "columns": columns,
        "all_rows": image.codes.shape[0],
        "all_columns": image.codes.shape[1],
        "first": image.first,
        "step": image.step,
        "centre": image.window.centre,
        "width": image.window.width,
        "function": image.window.function,
        "inverted": image.inverted,
    }
    return GreyValues(np.ascontiguousarray(codes, "<u2").tobytes(), facts)


def activation_png(store: ObjectStore, object_key: str, maximum_pixels: int, cam: NDArray[np.float32]) -> bytes | None:
    """Return the heat map of a positive alone, to be laid over its radiograph; None where the reports withhold it.

    Raises
    ------
    ObjectMissing
        When retention has removed the image.
    UndecodablePixels
        When nobody can decode it.
    """
    from service.dicom.pixels import decode, read_instance
    from service.report.overlay import layer
    from service.report.region import localise
    from service.thorax import find_lung_field

    with _one_at_a_time:
        display = decode(read_instance(BytesIO(store.read(object_key))), max_pixels=maximum_pixels).display()
        localisation = localise(cam, find_lung_field(display))
        if localisation.withheld is not None:
            return None
        rows, columns = _fitted(display).shape
        return _png(cv2.cvtColor(layer(cam, localisation, rows, columns), cv2.COLOR_RGBA2BGRA))


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


def _fitted(pixels: NDArray[Any], longest: int = MAXIMUM_SIDE) -> NDArray[Any]:
    """Shrink a picture to a longest side; a smaller one stays as it is."""
    rows, columns = pixels.shape[:2]
    scale = longest / max(rows, columns)
    if scale >= 1:
        return pixels
    size = (max(round(columns * scale), 1), max(round(rows * scale), 1))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _png(pixels: NDArray[Any]) -> bytes:
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    return encoded.tobytes()
