"""What becomes of what people say of the AI's results."""

from pydantic import Field

from service.settings.kinds import Section


class FeedbackSettings(Section):
    """Agreement and disagreement (`[feedback]`)."""

    withdraw_flag: bool = Field(
        False,
        description="Whether a person who disagrees with a suspicion of pneumonia withdraws it: a report that says so"
        " supersedes those that were sent, systems that were told are told, and the study loses the priority that the"
        " AI gave it.",
    )
