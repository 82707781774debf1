"""What the tables of the settings file are made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

AeTitle = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]*[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$")
]
Port = Annotated[int, Field(ge=0, le=65535)]
#: A text that DICOM keeps in LO.
Label = Annotated[str, Field(min_length=1, max_length=64)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    """A table of the settings file; an unknown name in it is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
