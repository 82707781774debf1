"""How a site watches over its sources of images: which are in shadow, and what drift is measured against."""

from datetime import date
from typing import Annotated

from pydantic import Field, model_validator

from service.settings.kinds import AeTitle, Seconds, Section


class ShadowSettings(Section):
    """Sources whose images are analysed and recorded, and of which nothing is sent (`[shadow]`)."""

    ae_titles: tuple[AeTitle, ...] = Field(
        (),
        description="Calling AE titles that are in shadow: their studies stand on a list of their own, and no report,"
        " no message and no priority comes of them. Taking one out of here sends nothing yet: `auscult shadow leave`"
        " does, with the go-live report and a person's name.",
    )


class DriftSettings(Section):
    """What the images of each machine and view are compared with (`[drift]`)."""

    reference_images: Annotated[int, Field(ge=50, le=5000)] = Field(
        200,
        description="The first so many images of a machine and view under the checkpoint in use are its reference;"
        " until they are there, it is what the checkpoint's card says. Of a window of dates, at most so many.",
    )
    reference_from: date | None = Field(
        None, description="First day of a reference window for all machines, in place of their first images."
    )
    reference_to: date | None = Field(None, description="Last day of that window.")
    images_between_false_alarms: Annotated[float, Field(ge=100)] = Field(
        5000.0,
        description="Images of one machine and view from one false alarm to the next, on average; a smaller number"
        " finds drift sooner.",
    )
    interval: Seconds = Field(60.0, description="Seconds between two looks over all machines.")

    @model_validator(mode="after")
    def _a_window_has_two_ends(self) -> "DriftSettings":
        first, last = self.reference_from, self.reference_to
        if (first is None) != (last is None) or (first is not None and last is not None and last < first):
            raise ValueError("reference_from and reference_to are the first and the last day of a window; set both")
        return self
