"""Who asks, and what that person may do."""

from dataclasses import dataclass, field

from service.vocabulary.roles import Role, SignInWay


@dataclass(frozen=True)
class Person:
    """Somebody who asks for a page.

    Attributes
    ----------
    name
        As it was signed in with; empty where nobody signs in.
    way
        How the person said who it is, where one did.
    has_session
        Whether it was said once, in a session that can be ended; else each request says it.
    """

    name: str = ""
    roles: frozenset[Role] = field(default_factory=frozenset)
    way: SignInWay | None = None
    has_session: bool = False

    def may(self, role: Role) -> bool:
        """Return whether this person may do what needs a role; any role makes a reader."""
        return role in self.roles or (role is Role.READER and bool(self.roles))
