"""What a person at the page may do, and how the person said who it is."""

from collections.abc import Iterable
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


class SignInWay(StrEnum):
    """How a person or a program said who it is."""

    #: A name and a password of the file of users.
    PASSWORD = "password"  # noqa: S105 - the name of a way
    #: The hospital's OpenID Connect provider.
    OIDC = "oidc"
    #: A proxy that signs people in before it asks us.
    PROXY = "proxy"
    #: A program's token.
    TOKEN = "token"  # noqa: S105 - the name of a way


def roles_of(stored: Iterable[str]) -> frozenset[Role]:
    """Return stored roles; one that only another version knows gives no right here."""
    return frozenset(Role(name) for name in stored if name in set(Role))
