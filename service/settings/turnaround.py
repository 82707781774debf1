"""How long things may take before a person is told."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field

from service.settings.kinds import Seconds, Section
from service.vocabulary.figures import TO_CONFIRMED, TO_FLAG, TO_READ
from service.vocabulary.states import Priority


class TurnaroundSettings(Section):
    """What 95 % of the waits of a source may take, and a study unread (`[turnaround]`); `/turnaround` shows waits."""

    flag_within: Seconds = Field(300.0, description="Seconds from the receipt of an image to its result.")
    read_within: Seconds = Field(
        14_400.0, description="Seconds from a study's first result to its reading, where the reading is known."
    )
    unread_within: dict[Literal["urgent", "stat"], Seconds] = Field(
        {"urgent": 14_400.0, "stat": 3_600.0},
        description="By priority, seconds from the arrival of a study until an alarm is raised because nobody has read"
        " it; a priority that is not named raises none, nor does `{}`, for a site whose readings are not known.",
    )
    confirm_within: Seconds = Field(
        900.0, description="Seconds from the receipt of an image to a destination's word for each object."
    )
    least: int = Field(
        10, ge=1, description="An alarm is raised for a source with so many waits in this hour and the one before."
    )
    keep_days: float = Field(90.0, gt=1, description="Days after which the figures of an hour are forgotten.")

    @property
    def unread_targets(self) -> Mapping[Priority, timedelta]:
        """How long a study may stand unread, by its priority."""
        return {Priority[name.upper()]: timedelta(seconds=value) for name, value in self.unread_within.items()}

    @property
    def targets(self) -> Mapping[str, timedelta]:
        """The targets by the name of the figure."""
        seconds = {TO_FLAG: self.flag_within, TO_READ: self.read_within, TO_CONFIRMED: self.confirm_within}
        return {figure.name: timedelta(seconds=value) for figure, value in seconds.items()}
