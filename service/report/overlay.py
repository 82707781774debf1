"""The picture that every viewer shows: the radiograph, the heat map of a positive over it, a legend, and one line.

The heat map's scale is fixed: 0 is colourless and 1 is full colour whatever the map holds. A map scaled to its own
minimum and maximum would paint every negative red.

References
----------
Zhou and others, Learning deep features for discriminative localization, CVPR 2016: class activation maps
"""

from functools import lru_cache
from importlib.resources import files
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.report.content import ReportContent, percent, share_text
from service.report.region import ACTIVATED, Localisation, in_pixels, upsampled
from service.texts import Texts, texts_in
from service.vocabulary.findings import Outcome
from service.vocabulary.uids import MANUFACTURER

#: Longest side of the radiograph within the picture, in pixels; a smaller one is enlarged so that the text fits it.
LONGEST_SIDE = 1024
#: Narrowest picture, in pixels.
NARROWEST = 760

#: Opacity of the colour where the activation is 1.
_OPACITY = 0.5
_LEGEND_WIDTH, _LONGEST_BAR, _SHORTEST_BAR = 128, 360, 100
_ABOVE_BAR, _BELOW_BAR = 76, 14
"""Pixels of a legend above its bar, and between the bar and the text below it."""
_LARGEST_FONT, _SMALLEST_FONT = 22, 14
_MARGIN = 14
_PAPER = (16, 18, 22)
_INK = (236, 238, 240)
_FAINT = (160, 166, 172)
_OUTSIDE = np.float32(150)
"""Grey of the map outside the lung field."""
_EDGES = 4
"""Steps in which the map's colour goes over into grey at the edge of the lung field."""
_LINE_COLOUR = {
    Outcome.POSITIVE: (255, 196, 84),
    Outcome.NEGATIVE: _INK,
    Outcome.INDETERMINATE: (150, 205, 255),
}

Picture = NDArray[np.uint8]


def picture(
    display: NDArray[np.float32],
    content: ReportContent,
    localisation: Localisation | None,
    image_name: str,
    software_version: str,
) -> Picture:
    """Draw the picture of one analysed image.

    Parameters
    ----------
    display
        Display values of the radiograph, float32, rows x cols, in [0, 1]; 0 is black.
    localisation
        Where the activation of a positive lies; None for every other outcome, which has no map.
    image_name
        What tells the image from the others of its study.

    Returns
    -------
    uint8, rows x cols x 3, RGB.
    """
    prediction = content.prediction
    if prediction is None:
        raise ValueError("an image that was not analysed has no picture")
    say = texts_in(content.language)
    grey = radiograph(display)
    shown = localisation is not None and localisation.withheld is None
    painted = heat_map(grey, prediction.cam, localisation) if localisation is not None and shown else _rgb(grey)
    line, colour = burnt_in_line(content, image_name, software_version), _LINE_COLOUR[content.outcome]
    mounted = _mount(painted, line, colour, say if shown else None)
    if localisation is not None and localisation.withheld is not None:
        mounted = _with_line(mounted, say(f"picture.withheld.{localisation.withheld.name.lower()}"))
    if content.outcome is not Outcome.POSITIVE and Outcome.POSITIVE in content.other_images:
        mounted = _with_line(mounted, say("picture.another_image"))
    return mounted


def burnt_in_line(content: ReportContent, image_name: str, software_version: str) -> str:
    """Return the line with result, image, "not for diagnosis" and model."""
    prediction = content.prediction
    if prediction is None:
        raise ValueError("an image that was not analysed has no picture")
    probability = percent(prediction.p_pneumonia, (prediction.lower, prediction.upper))
    say = texts_in(content.language)
    probability = say("picture.probability", probability=probability, prevalence=share_text(prediction.prevalence))
    result = say(f"picture.{content.outcome.name.lower()}", probability=probability)
    model = f"{MANUFACTURER} {software_version}, {prediction.checkpoint_name} {prediction.checkpoint_version}"
    return say("picture.line", result=result, image=image_name, model=model)


def radiograph(display: NDArray[np.float32]) -> Picture:
    """Return the display values as 8-bit grey, its longest side `LONGEST_SIDE` pixels."""
    rows, columns = display.shape
    scale = LONGEST_SIDE / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    shown = np.asarray(display, dtype=np.float32)
    while max(shown.shape) >= 2 * LONGEST_SIDE and min(shown.shape) > 1:
        # Averaged two by two, which is fast; above half the size, interpolation leaves no pixel out.
        halves = (shown.shape[1] // 2, shown.shape[0] // 2)
        shown = np.asarray(cv2.resize(shown[: 2 * halves[1], : 2 * halves[0]], halves, interpolation=cv2.INTER_AREA))
    resized = cv2.resize(shown, size, interpolation=cv2.INTER_LINEAR if scale < 1 else cv2.INTER_CUBIC)
    # In place, for a pass over the picture costs as much as what is computed in it; a value that is none is black.
    cv2.patchNaNs(resized, 0)
    np.clip(resized, 0, 1, out=resized)
    return np.asarray(cv2.convertScaleAbs(resized, alpha=255), dtype=np.uint8)


def heat_map(grey: Picture, cam: NDArray[np.float32], localisation: Localisation) -> Picture:
    """Return the grey picture with the class activation map over it and the outlines of the regions.

    Outside the lung field the map is grey, as strong as it is inside: a reader sees that there was activation, and that
    it is no finding.

    Parameters
    ----------
    grey
        uint8, rows x cols.
    cam
        float32, rows x cols of any size, on the fixed scale [0, 1].
    """
    rows, columns = grey.shape
    activation = upsampled(cam, rows, columns)
    field = _lung_share(localisation, rows, columns)
    painted = _rgb(grey)
    # Where nothing is activated the colour is transparent, and the grey stays as it is.
    left, top, width, height = cv2.boundingRect((activation > 0).view(np.uint8))
    if width and height:
        there = (slice(top, top + height), slice(left, left + width))
        painted[there] = _tint(grey[there], activation[there], field[there])
    outlines = [np.rint(in_pixels(region, rows, columns) - 0.5).astype(np.int32) for region in localisation.regions]
    if outlines:
        cv2.polylines(painted, outlines, isClosed=True, color=_INK, thickness=2, lineType=cv2.LINE_AA)
    return painted


def layer(cam: NDArray[np.float32], localisation: Localisation, rows: int, columns: int) -> Picture:
    """Return the heat map alone, to be laid over a radiograph of any size: uint8, rows x cols x 4, RGBA.

    Its opacity is twice that of the picture which is sent, so that a reader's slider in the middle shows the same.
    """
    activation = upsampled(cam, rows, columns)
    field = _lung_share(localisation, rows, columns)
    painted = np.empty((rows, columns, 4), dtype=np.uint8)
    index = np.rint(activation * 255).astype(np.uint8)
    for channel, colours in enumerate(_colours()):
        painted[:, :, channel] = np.rint(colours[index] * field + _OUTSIDE * (1 - field))
    painted[:, :, 3] = index
    outlines = [np.rint(in_pixels(region, rows, columns) - 0.5).astype(np.int32) for region in localisation.regions]
    cv2.polylines(painted, outlines, isClosed=True, color=(*_INK, 255), thickness=2, lineType=cv2.LINE_AA)
    return painted


def _rgb(grey: Picture) -> Picture:
    return np.asarray(cv2.merge([grey, grey, grey]), dtype=np.uint8)


def _lung_share(localisation: Localisation, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the lung field at the picture's size: 1 inside, 0 outside, with a soft edge of a pixel or two."""
    mask = localisation.lung_field_HW
    if mask is None:
        return np.zeros((rows, columns), dtype=np.float32)
    return np.asarray(
        cv2.resize(mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_LINEAR), dtype=np.float32
    )


def _tint(grey: Picture, activation: NDArray[np.float32], field: NDArray[np.float32]) -> Picture:
    """Blend the colour of each activation over grey; opacity grows with the activation from nothing at 0."""
    place = cv2.convertScaleAbs(field, alpha=_EDGES).astype(np.int32)
    for part in (np.asarray(cv2.convertScaleAbs(activation, alpha=255), dtype=np.uint8), grey):
        place <<= 8
        place |= part
    blended = np.take(_blends(), place).view(np.uint8).reshape(*grey.shape, 4)
    return np.asarray(cv2.cvtColor(blended, cv2.COLOR_RGBA2RGB), dtype=np.uint8)


@lru_cache(maxsize=1)
def _blends() -> NDArray[np.uint32]:
    """Return what becomes of every grey under every activation at every share of lung, RGBA in one word.

    To look a pixel up takes a third of the time in which its colours are blended.
    """
    grey, activation = np.arange(256, dtype=np.float32)[:, None], np.arange(256, dtype=np.float32)[:, None, None]
    lung = np.linspace(0, 1, _EDGES + 1, dtype=np.float32)[:, None, None, None]
    colour, opacity = _colours().T[:, None] * lung + _OUTSIDE * (1 - lung), _OPACITY * activation / 255
    blends = np.zeros((_EDGES + 1, 256, 256, 4), dtype=np.uint8)
    blends[..., :3] = np.rint(grey * (1 - opacity) + colour * opacity)
    return blends.view(np.uint32).ravel()


@lru_cache(maxsize=1)
def _colours() -> NDArray[np.float32]:
    """Return the perceptually uniform colours of the activations 0/255 to 255/255, channels x 256."""
    ramp = np.arange(256, dtype=np.uint8).reshape(-1, 1)
    return np.asarray(cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO))[:, 0, ::-1].T.astype(np.float32)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Pillow's own font has no Vietnamese letters.
    return ImageFont.truetype(BytesIO(files("service.report").joinpath("fonts/Roboto-Latin.ttf").read_bytes()), size)


def _mount(painted: Picture, line: str, colour: tuple[int, int, int], legend: Texts | None) -> Picture:
    """Put the painted radiograph under its line and beside its legend, in the language that it is given."""
    rows, columns = painted.shape[:2]
    legend_width = _LEGEND_WIDTH if legend else 0
    shortest = int(_font(_SMALLEST_FONT).getlength(line)) + 1 + 2 * _MARGIN
    width = max(columns + legend_width, NARROWEST, shortest)
    font = _fitting_font(line, width - 2 * _MARGIN)
    line_height = int(font.size * 1.3) + _MARGIN
    lowest = _height_without_bar(legend) + _SHORTEST_BAR if legend else 1
    mounted = _paper(max(rows, lowest) + line_height, width)
    left = (width - legend_width - columns) // 2
    mounted[line_height : line_height + rows, left : left + columns] = painted
    mounted[:line_height] = _written(line, font, (width, line_height), colour)
    if legend:
        mounted[line_height:, width - legend_width :] = _legend(len(mounted) - line_height, legend)
    return mounted


def _with_line(mounted: Picture, line: str) -> Picture:
    """Add a line of text below a picture."""
    columns = mounted.shape[1]
    font = _fitting_font(line, columns - 2 * _MARGIN)
    size = (columns, int(font.size * 1.3) + _MARGIN)
    return np.concatenate([mounted, _written(line, font, size, _LINE_COLOUR[Outcome.POSITIVE])])


def _paper(rows: int, columns: int) -> Picture:
    paper = np.empty((rows, columns * len(_PAPER)), dtype=np.uint8)
    paper[:] = np.tile(np.array(_PAPER, dtype=np.uint8), columns)  # row by row, which is ten times as fast as by pixels
    return paper.reshape(rows, columns, len(_PAPER))


def _written(line: str, font: ImageFont.FreeTypeFont, size: tuple[int, int], colour: tuple[int, int, int]) -> Picture:
    """Return a strip of paper, columns x rows, with a line of text in its middle."""
    canvas = Image.new("RGB", size, _PAPER)
    ImageDraw.Draw(canvas).text((_MARGIN, size[1] // 2), line, font=font, fill=colour, anchor="lm")
    return np.asarray(canvas)


def _fitting_font(line: str, width: int) -> ImageFont.FreeTypeFont:
    """Return the largest font, between the smallest and the largest allowed, in which the line is at most so wide."""
    size = _LARGEST_FONT
    while size > _SMALLEST_FONT and _font(size).getlength(line) > width:
        size -= 1
    return _font(size)


@lru_cache(maxsize=16)
def _height_without_bar(say: Texts) -> int:
    """Return how many pixels a legend needs besides its bar, so that its last line is not cut off."""
    measured = ImageDraw.Draw(Image.new("L", (1, 1)))
    _, _, _, below = measured.multiline_textbbox((0, 0), _scale_words(say), font=_font(14), spacing=4)
    return _ABOVE_BAR + _BELOW_BAR + int(below) + 1 + _MARGIN


def _scale_words(say: Texts) -> str:
    return say("picture.scale", least=f"{ACTIVATED:g}")


@lru_cache(maxsize=16)  # of the same height for all images of one shape
def _legend(rows: int, say: Texts) -> Picture:
    """Draw the colour bar of the activation scale, its colours over mid-grey as they look over the radiograph."""
    canvas = Image.new("RGB", (_LEGEND_WIDTH, rows), _PAPER)
    draw = ImageDraw.Draw(canvas)
    height = min(_LONGEST_BAR, rows - _height_without_bar(say))
    bar_left, bar_width = 20, 26
    ramp = np.linspace(1, 0, height, dtype=np.float32)[:, None].repeat(bar_width, axis=1)
    bar = _tint(np.full((height, bar_width), 110, dtype=np.uint8), ramp, np.ones_like(ramp))
    canvas.paste(Image.fromarray(bar), (bar_left, _ABOVE_BAR))
    draw.rectangle((bar_left - 1, _ABOVE_BAR - 1, bar_left + bar_width, _ABOVE_BAR + height), outline=_FAINT)
    small = _font(15)
    draw.multiline_text((16, 14), say("picture.map"), font=small, fill=_INK, spacing=5)
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        row = _ABOVE_BAR + round((1 - value) * (height - 1))
        draw.line((bar_left + bar_width, row, bar_left + bar_width + 6, row), fill=_INK, width=1)
        draw.text((bar_left + bar_width + 12, row), f"{value:g}", font=small, fill=_INK, anchor="lm")
    place = (16, _ABOVE_BAR + height + _BELOW_BAR)
    draw.multiline_text(place, _scale_words(say), font=_font(14), fill=_FAINT, spacing=4)
    return np.asarray(canvas)
