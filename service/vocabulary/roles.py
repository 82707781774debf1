"""What a person at the page may do."""

from enum import StrEnum


class Role(StrEnum):
    """A role; a person may have several, and who has any of them is a reader too.

    Administrators run the system and say nothing of images; radiologists do, and change nothing of the system.
    """

    #: Sees the list and the studies, and says that one was read.
    READER = "reader"
    #: Says what an image shows: agrees and disagrees with a result.
    RADIOLOGIST = "radiologist"
    #: Analyses again, releases, sends again, looks after the destinations.
    ADMINISTRATOR = "administrator"
