"""Files of reports as highdicom and pydicom make them."""

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from pydicom.dataset import Dataset

from service.report.making.tables import read_module_by_module
from service.report.template import encoded, plain
from service.vocabulary.report_kinds import ReportKind

_MAKE: Mapping[ReportKind, Callable[[Any], Dataset]] = {
    kind: import_module(f"service.report.making.{kind}").make for kind in ReportKind
}
read_module_by_module()


def made(kind: ReportKind, recipe: Any) -> bytes:
    """Return the file that highdicom makes of a recipe, with the values that it has."""
    with warnings.catch_warnings():
        # Warnings of pydicom and highdicom quote attribute values.
        warnings.simplefilter("ignore")
        return encoded(_MAKE[kind](plain(recipe)))
