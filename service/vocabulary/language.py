"""The languages that readers may choose."""

from enum import StrEnum


class Language(StrEnum):
    """A language, named as RFC 5646 does."""

    ENGLISH = "en-US"
    VIETNAMESE = "vi"
    """Not yet reviewed by a clinician."""
