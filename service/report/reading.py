"""A report as a person without a viewer reads it: the lines of its content tree.

References
----------
PS3.3 section C.17.3 (SR Document Content)
"""

from collections.abc import Iterator
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset


def report_lines(content: bytes) -> list[str]:
    """Return the lines of one of our own Structured Reports, indented by their place in the tree."""
    dataset = dcmread(BytesIO(content))
    return [_name(dataset), *_lines(dataset, 0)]


def _lines(item: Dataset, depth: int) -> Iterator[str]:
    for child in item.get("ContentSequence", []):
        value = _value(child)
        line = f"{_name(child)}: {value}" if value else _name(child)
        if line:
            yield "  " * depth + line
        yield from _lines(child, depth + 1)


def _name(item: Dataset) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].CodeMeaning) if names else ""


def _value(item: Dataset) -> str:
    """Return the value of a content item; of what points at pixels, nothing."""
    match str(item.get("ValueType", "")):
        case "TEXT":
            return str(item.TextValue)
        case "CODE":
            return str(item.ConceptCodeSequence[0].CodeMeaning)
        case "UIDREF":
            return str(item.UID)
        case "NUM":
            measured = item.MeasuredValueSequence[0]
            return f"{measured.NumericValue} {measured.MeasurementUnitsCodeSequence[0].CodeValue}"
        case "IMAGE":
            return str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    return ""
