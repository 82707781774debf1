"""Which work items a query asks for, and what of them.

References
----------
PS3.4 sections C.2.2.2 (matching) and CC.2.8 (C-FIND)
"""

import re
from collections.abc import Iterable

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

#: What says how the others are to be read, and is no key.
_NO_KEYS = ("SpecificCharacterSet", "TimezoneOffsetFromUTC")
_RANGED = frozenset({"DA", "DT", "TM"})
_EXACT = frozenset({"UI", "US", "UL", "SS", "SL", "FL", "FD", "IS", "DS", "AT"})
_OFFSET = re.compile(r"[+-]\d{4}$")


def matches(keys: Dataset, item: Dataset) -> bool:
    """Return whether a data set has every value that is asked for; an empty key matches all."""
    return all(_matches(key, item) for key in _keys(keys))


def selected(keys: Dataset, item: Dataset) -> Dataset:
    """Return what is asked for of a data set that matches; an attribute that it lacks stays out."""
    answer = Dataset()
    answer.SpecificCharacterSet = item.get("SpecificCharacterSet", "ISO_IR 192")
    for key in _keys(keys):
        if key.tag in item:
            answer[key.tag] = item[key.tag]
    return answer


def _keys(keys: Dataset) -> Iterable[DataElement]:
    return (key for key in keys if key.keyword not in _NO_KEYS and not key.tag.is_private)


def _matches(key: DataElement, item: Dataset) -> bool:
    wanted = key.value
    if wanted in (None, "", []) or (key.VR == "SQ" and not any(len(one) for one in wanted)):
        return True
    found = item[key.tag].value if key.tag in item else None
    if key.VR == "SQ":
        return any(matches(wanted[0], one) for one in found or ())
    values = [str(value) for value in _several(found)]
    return any(_is_one(key.VR, str(one), value) for one in _several(wanted) for value in values)


def _several(value: object) -> Iterable[object]:
    if value in (None, ""):
        return ()
    return value if isinstance(value, MultiValue | list | tuple) else (value,)


def _is_one(vr: str, wanted: str, value: str) -> bool:
    if vr in _RANGED:
        return _is_within(wanted, value)
    if vr in _EXACT:
        return wanted == value
    if vr == "PN":
        wanted, value = wanted.casefold(), value.casefold()
    return re.fullmatch(_pattern(wanted), value, re.DOTALL) is not None


def _pattern(wanted: str) -> str:
    """Return the pattern of a value with wildcards."""
    first, *others = ("".join("." if it == "?" else re.escape(it) for it in one) for one in re.split(r"\*+", wanted))
    if not others:
        return first
    # What stands between two asterisks is looked for once, from the left: a peer's many asterisks must not have every
    # way of parting the value tried.
    return first + "".join(f"(?>.*?{one})" for one in others[:-1]) + f".*{others[-1]}"


def _is_within(wanted: str, value: str) -> bool:
    """Return whether a date or time is in a range, or is the one that is asked for as far as that goes."""
    value = _OFFSET.sub("", value)
    low, dash, high = wanted.partition("-") if not _OFFSET.search(wanted) else (wanted, "", "")
    low, high = _OFFSET.sub("", low).strip(), high.strip()
    if not dash:
        return value.startswith(low)
    return (not low or value >= low) and (not high or value[: len(high)] <= high)
