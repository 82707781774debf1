"""How old the patient was when the image was taken."""

import re
from datetime import date, datetime

from pydicom.dataset import Dataset

from service.scope.attributes import texts

# PS3.5 section 6.2, value representation AS.
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_OLDEST = 130


def age_in_years(dataset: Dataset) -> float | None:
    """Return the patient's age in years, from Patient's Age or else from birth and study date.

    Returns
    -------
    From 0 to 130; None when the attributes are absent, malformed, or contradict nature.
    """
    for text in texts(dataset, ("PatientAge",)):
        match = _AGE.fullmatch(text.upper())
        if match:
            age = int(match[1]) * _YEARS[match[2]]
            return age if age <= _OLDEST else None
    born = _first_date(dataset, "PatientBirthDate")
    taken = _first_date(dataset, "AcquisitionDate", "ContentDate", "StudyDate", "SeriesDate")
    if born is None or taken is None or taken < born:
        return None
    years = taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))
    # 29 February is no day of most years; a day or two are nothing in an age.
    birthday = (born.month, min(born.day, 28))
    last = date(born.year + years, *birthday)
    age = years + max(0.0, min((taken - last).days / 366, 0.999))
    return age if age <= _OLDEST else None


def _first_date(dataset: Dataset, *keywords: str) -> date | None:
    for text in texts(dataset, keywords):
        match = _DATE.fullmatch(text)
        if match:
            try:
                return datetime(int(match[1]), int(match[2]), int(match[3])).date()  # noqa: DTZ001 - a calendar day
            except ValueError:
                continue
    return None
