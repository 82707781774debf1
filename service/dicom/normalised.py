"""One reading of the attributes that say who and when: what the ledger, the page and the reports say alike.

Devices write dates with dots, times with colons and names in a dozen encodings. Identity (names, IDs, accession number)
is taken over as it stands: a shortened ID is another patient's ID. A date, time, sex or age of another form is brought
into the form of its value representation, where it can only mean one.

References
----------
PS3.5 section 6.2; PS3.3 sections C.7.1.1, C.7.2.1, C.7.2.2
"""

import re
from collections.abc import Callable
from datetime import datetime

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import PersonName

from service.dicom.characters import CharacterSet, character_set, decode

#: A rule turns a text into what is written; None means that it breaks its value representation.
_Rule = Callable[[str], str | None]

_DATE = re.compile(r"(\d{4})([-./ ]?)(\d{2})\2(\d{2})")
_TIME = re.compile(r"(\d{2}|\d(?=[:.]))(?:[:.]?(\d{2})(?:[:.]?(\d{2})(?:[.,](\d*))?)?)?")
_AGE = re.compile(r"(\d{1,3}) ?([DWMY])")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):?([0-5]\d)")
_ORIENTATION = re.compile(r"[APLRHF]{1,3}\\[APLRHF]{1,3}")
_SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F", "O": "O", "OTHER": "O"}


def _verbatim(text: str) -> str:
    return text


def _person_name(text: str) -> str:
    # One name: what a backslash separates would be two, which no report can have.
    one = text.replace("\\", " ")
    # Empty ends may be left out (PS3.5 section 6.2.1.1).
    return "=".join(group.strip().rstrip("^ ") for group in one.split("=")).rstrip("=")


def _at_most(length: int) -> _Rule:
    return lambda text: text.replace("\\", "/")[:length].strip()


def _matching(pattern: re.Pattern[str]) -> _Rule:
    return lambda text: text if pattern.fullmatch(text) else None


def _date(text: str) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        datetime(int(match[1]), int(match[3]), int(match[4]))  # noqa: DTZ001 (a calendar date has no zone)
    except ValueError:
        return None
    return match[1] + match[3] + match[4]


def _time(text: str) -> str | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    # A leap second is 60.
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    whole = f"{hour:0>2}{minute or ''}{second or ''}"
    return f"{whole}.{fraction[:6]}" if fraction else whole


def _age(text: str) -> str | None:
    match = _AGE.fullmatch(text.upper())
    return f"{match[1]:0>3}{match[2]}" if match else None


def _offset(text: str) -> str | None:
    match = _OFFSET.fullmatch("+0000" if text in ("Z", "-0000", "-00:00") else text)
    return "".join(match.groups()) if match else None


_BY_KEYWORD: dict[str, _Rule] = {
    "PatientID": _verbatim,
    "IssuerOfPatientID": _verbatim,
    "AccessionNumber": _verbatim,
    "PatientSex": lambda text: _SEXES.get(text.upper()),
    "Laterality": lambda text: text if text in ("L", "R") else None,
    "PatientOrientation": _matching(_ORIENTATION),
    "TimezoneOffsetFromUTC": _offset,
}
_BY_VR: dict[str, _Rule] = {
    "PN": _person_name,
    "DA": _date,
    "TM": _time,
    "AS": _age,
    "CS": _matching(re.compile(r"[A-Z0-9_ ]{1,16}")),
    "SH": _at_most(16),
    "LO": _at_most(64),
}


def normalised(keyword: str, text: str) -> str | None:
    """Return an attribute's text in the form of its value representation; None where it cannot be brought into it."""
    if not text:
        return ""
    rule = _BY_KEYWORD.get(keyword) or _BY_VR.get(dictionary_VR(keyword), _verbatim)
    return rule(text)


def encoded_text(keyword: str, value: bytes, known: CharacterSet) -> str:
    """Return the text of an attribute's bytes."""
    return decode(value, known, is_name=dictionary_VR(keyword) == "PN")


def declared(dataset: Dataset, default: CharacterSet | None = None) -> CharacterSet:
    """Return the character set of a data set; an item of a sequence without one of its own has its parent's.

    Parameters
    ----------
    default
        The parent's.

    References
    ----------
    PS3.3 section C.12.1.1.2
    """
    try:
        value = _raw(dataset, "SpecificCharacterSet")
    except Exception:  # noqa: BLE001 (as below)
        value = None
    if value is None:
        return default or CharacterSet()
    return character_set(value if isinstance(value, bytes) else _joined(value).encode("ascii", "replace"))


def text_of(dataset: Dataset, keyword: str, known: CharacterSet) -> str | None:
    """Return an attribute's text, empty where it is absent, None where it cannot be read; nothing makes this raise."""
    try:
        value = _raw(dataset, keyword)
        if value is None:
            return ""
        if not isinstance(value, bytes):
            # pydicom has decoded it, or a program has set it.
            value = _joined(value).encode("utf-8", "ignore")
            known = CharacterSet("utf_8")
        return encoded_text(keyword, value, known)
    except Exception:  # noqa: BLE001 (pydicom raises whatever a broken element makes it raise)
        return None


def _raw(dataset: Dataset, keyword: str) -> object:
    """Return an attribute's value as it was received: its bytes, unless pydicom has replaced them by now."""
    tag = tag_for_keyword(keyword)
    element = dataset.get_item(tag) if tag is not None and tag in dataset else None
    value = element.value if element is not None else None
    original = getattr(value, "original_string", None) if isinstance(value, PersonName) else None
    return original if isinstance(original, bytes) else value


def _joined(value: object) -> str:
    return "\\".join(map(str, value)) if isinstance(value, MultiValue | list | tuple) else str(value)
