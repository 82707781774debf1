"""Systems that are told by messages what became of a study; each channel has a table of its own made of this one."""

from typing import Annotated, Literal

from pydantic import Field

from service.settings.kinds import Seconds, Section
from service.vocabulary.facts import MessageEvent


class ReceiverSettings(Section):
    """A system that is told of events by messages, whatever the channel."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="Our name for it, unique among destinations and receivers."
    )
    events: frozenset[MessageEvent] = Field(
        frozenset({MessageEvent.RESULT, MessageEvent.RESULT_SUPERSEDED, MessageEvent.PRIORITY_RAISED}),
        description="What it is told of.",
    )
    not_analysed: Literal["none", "chest_only", "all"] = Field(
        "chest_only", description="Of which images that are not analysed it is told."
    )
    connect_timeout: Seconds = Field(10.0, description="Seconds to wait for the connection.")
    response_timeout: Seconds = Field(30.0, description="Seconds to wait for its answer to a message.")
