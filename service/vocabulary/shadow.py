"""Which source of images is in shadow, and what keeps one from leaving it."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class ShadowSource:
    """An AE title that images come from, or a machine by its number in the ledger; one of the two."""

    ae_title: str | None = None
    machine_id: int | None = None

    @classmethod
    def named(cls, name: str) -> "ShadowSource":
        """Return the source of a name: an AE title, or a machine's number behind ``#``.

        Raises
        ------
        ValueError
            When what stands behind ``#`` is no number.
        """
        return cls(machine_id=int(name[1:])) if name.startswith("#") else cls(name.strip())

    def __str__(self) -> str:
        return self.ae_title if self.ae_title is not None else f"#{self.machine_id}"


class Departure(StrEnum):
    """What came of a person's wish that a source leave its shadow."""

    LEFT = "left"
    """What it sends from now on is reported."""
    NOT_IN_SHADOW = "not in shadow"
    NO_REPORT = "no report"
    """No go-live report was made in this period."""
    OTHER_REPORT = "other report"
    """The file is not the last go-live report of this period."""
