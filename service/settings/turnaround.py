"""How long things may take before a person is told."""

from collections.abc import Mapping
from datetime import timedelta

from pydantic import Field

from service.settings.kinds import Seconds, Section
from service.vocabulary.figures import TO_CONFIRMED, TO_FLAG, TO_READ


class TurnaroundSettings(Section):
    """What 95 % of the waits of a source may take (`[turnaround]`); `/turnaround` shows what they took."""

    flag_within: Seconds = Field(300.0, description="Seconds from the receipt of an image to its result.")
    read_within: Seconds = Field(
        14_400.0, description="Seconds from a study's first result to its reading, where the reading is known."
    )
    confirm_within: Seconds = Field(
        900.0, description="Seconds from the receipt of an image to a destination's word for each object."
    )
    least: int = Field(
        10, ge=1, description="An alarm is raised for a source with so many waits in this hour and the one before."
    )
    keep_days: float = Field(90.0, gt=1, description="Days after which the figures of an hour are forgotten.")

    @property
    def targets(self) -> Mapping[str, timedelta]:
        """The targets by the name of the figure."""
        seconds = {TO_FLAG: self.flag_within, TO_READ: self.read_within, TO_CONFIRMED: self.confirm_within}
        return {figure.name: timedelta(seconds=value) for figure, value in seconds.items()}
