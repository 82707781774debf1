"""Text and codes out of a header, tolerant of what devices write."""

from collections.abc import Iterable, Iterator

from pydicom.dataset import Dataset

#: Descriptions of one series, the most telling first.
SERIES_DESCRIPTIONS = (
    "SeriesDescription",
    "ProtocolName",
    "PerformedProcedureStepDescription",
    "AcquisitionDeviceProcessingDescription",
    "ImageComments",
)
#: Descriptions of the whole study, which may name several views.
STUDY_DESCRIPTIONS = ("StudyDescription", "RequestedProcedureDescription")


def texts(dataset: Dataset, keywords: Iterable[str]) -> Iterator[str]:
    """Yield the values of the attributes that are present, readable and not empty."""
    for keyword in keywords:
        for value in values(dataset, keyword):
            # An item of a sequence is no text, and its own representation may hold patient data.
            text = "" if isinstance(value, Dataset) else str(value).strip()
            if text:
                yield text


def values(dataset: Dataset, keyword: str) -> list[object]:
    """Return an attribute's values; none where it is absent, empty or malformed."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        return []
    if value is None or value == "":
        return []
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)


def whole_number(dataset: Dataset, keyword: str, default: int) -> int:
    """Return the first value of an attribute as a whole number, or the default."""
    try:
        return int(next(texts(dataset, (keyword,)), default))
    except ValueError:
        return default


def code_items(dataset: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    """Yield code value and meaning of each item of a code sequence."""
    for item in values(dataset, keyword):
        if isinstance(item, Dataset):
            yield next(texts(item, ("CodeValue", "LongCodeValue")), ""), next(texts(item, ("CodeMeaning",)), "")
