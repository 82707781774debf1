"""A report that highdicom made once, as bytes with places for whatever differs from one report to the next.

What an object is made of is a *recipe*: nested tuples in which each value that differs is `Varying`. The recipe without
these values is its *shape*. For each shape highdicom makes one object, in which markers stand in their places: it never
sees a patient's data, so nothing of one patient can be left in the report of another. A place is found by its marker.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from service.report.pieces import Template, taken_apart, written

_MOST_KEPT = 512
_NOT_KEPT: Any = object()
_LONGEST = 10_000
"""Characters of a text, far below the 65,534 bytes that most value representations hold."""

#: Of the picture in whose place others are put.
_ROWS, _COLUMNS = 211, 223


class Form(StrEnum):
    """What a value looks like; markers have the same form, so that highdicom takes them."""

    TEXT = "text"
    UID = "UID"
    DATE = "date"
    TIME = "time"
    AGE = "age"
    COUNT = "count"
    NUMBER = "number"
    OUTLINE = "outline"
    ROWS = "rows"
    COLUMNS = "columns"
    PIXELS = "pixels"


#: Forms whose markers are long enough to be told from whatever else an object holds.
_TOLD = frozenset(Form) - {Form.AGE, Form.ROWS, Form.COLUMNS}


class Varying(NamedTuple):
    """A value that differs from one report to the next.

    Attributes
    ----------
    value
        Text up to AGE; int for COUNT, ROWS and COLUMNS; float for NUMBER; float32, points x 2, for OUTLINE; bytes for
        PIXELS.
    """

    form: Form
    value: Any


class ReportTemplates:
    """The templates of one kind of report; thread-safe, for a template that is made twice is the same twice."""

    def __init__(self, make: Callable[[Any], bytes]) -> None:
        self._make = make
        self._kept: dict[Hashable, Template | None] = {}

    def encoded(self, recipe: Any) -> bytes:
        """Return the file of a recipe: the bytes that highdicom makes of it."""
        shape = shape_of(recipe)
        # Asked for once: another thread may empty the cache at any time.
        template: Template | None = self._kept.get(shape, _NOT_KEPT)
        if template is _NOT_KEPT:
            template = _template(self._make, recipe)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[shape] = template
        values = list(_varying(recipe))
        # What is longer pydicom writes as another value representation (PS3.5 section 6.2.2).
        long = any(len(str(value)) >= _LONGEST for form, value in values if form is Form.TEXT)
        if template is None or long:
            return self._make(recipe)
        return template.filled([varying.value for varying in values])


def encoded(dataset: Dataset) -> bytes:
    """Return a data set as a DICOM file, explicit VR little endian, always the same bytes (PS3.10 section 7)."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def plain(recipe: Any) -> Any:
    """Return a recipe with its values themselves, as highdicom takes them."""
    return _mapped(recipe, lambda varying: varying.value)


def shape_of(recipe: Any) -> Hashable:
    """Return what recipes have in common that differ in their varying values alone.

    Objects that share a study or a series are listed together, so which UIDs are equal is part of it.
    """
    return _form_of(recipe), _first_equal(list(_varying(recipe)))


def _first_equal(varying: Sequence[Varying]) -> tuple[int, ...]:
    """Return for each value the number of the first UID that it is equal to; its own number for any other value."""
    first: dict[str, int] = {}
    return tuple(first.setdefault(value, n) if form is Form.UID else n for n, (form, value) in enumerate(varying))


def _form_of(recipe: Any) -> Hashable:
    if isinstance(recipe, Varying):
        return recipe.form
    if isinstance(recipe, tuple):
        return (type(recipe), *(_form_of(part) for part in recipe))
    # 1 and True and 1.0 are equal, and are not written alike.
    return (type(recipe), recipe)


def _varying(recipe: Any) -> Iterator[Varying]:
    if isinstance(recipe, Varying):
        yield recipe
    elif isinstance(recipe, tuple):
        for part in recipe:
            yield from _varying(part)


def _mapped(recipe: Any, change: Callable[[Varying], Any]) -> Any:
    if isinstance(recipe, Varying):
        return change(recipe)
    if isinstance(recipe, tuple):
        parts = [_mapped(part, change) for part in recipe]
        return type(recipe)(*parts) if hasattr(recipe, "_fields") else tuple(parts)
    return recipe


def _template(make: Callable[[Any], bytes], recipe: Any) -> Template | None:
    """Return the template of a recipe's shape; None where a value stands within another one and has no place."""
    varying = list(_varying(recipe))
    markers = [
        Varying(each.form, _MARKERS[each.form](n)) for each, n in zip(varying, _first_equal(varying), strict=True)
    ]
    remaining = iter(markers)
    content = make(_mapped(recipe, lambda _: next(remaining)))
    template = taken_apart(content, {way: n for n, marker in enumerate(markers) for way in _ways(marker)})
    told = [way for marker in markers for way in _ways(marker) if marker.form in _TOLD]
    left = any(way.rstrip(b" \0") in piece for piece in template.fixed() for way in told)
    return None if left else template


#: What stands in a place: of the value's form, and for each number another.
_MARKERS: Mapping[Form, Callable[[int], Any]] = {
    Form.TEXT: lambda number: f"varying {number:06}",
    Form.UID: lambda number: f"2.25.{10**30 + number}",
    Form.DATE: lambda number: (date(1600, 1, 1) + timedelta(number)).isoformat().replace("-", ""),
    Form.TIME: lambda number: f"010203.{number:06}",
    Form.AGE: lambda number: f"{number % 1000:03}D",
    Form.COUNT: lambda number: 1_700_000_000 + number,
    Form.NUMBER: lambda number: 700_000_000.25 + number,
    Form.OUTLINE: lambda number: np.array([[number, 1], [number, 2], [number + 1, 2], [number, 1]], dtype=np.float32),
    Form.ROWS: lambda _: _ROWS,
    Form.COLUMNS: lambda _: _COLUMNS,
    Form.PIXELS: lambda _: bytes([90]) * (_ROWS * _COLUMNS * 3),
}


#: The value representations in which a marker of a form is looked for; others are written as text is.
_VRS: Mapping[Form, tuple[bytes, ...]] = {
    Form.UID: (b"UI",),
    Form.COUNT: (b"IS", b"DS"),
    Form.NUMBER: (b"DS", b"FD"),
    Form.OUTLINE: (b"FL",),
    Form.ROWS: (b"US",),
    Form.COLUMNS: (b"US",),
    Form.PIXELS: (b"OB",),
}


def _ways(marker: Varying) -> list[bytes]:
    """Return how a marker may be written."""
    return [written(vr, marker.value) for vr in _VRS.get(marker.form, (b"LO",))]
