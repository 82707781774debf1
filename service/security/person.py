"""Who asks, and what that person may do."""

from dataclasses import dataclass, field

from service.vocabulary.roles import Role


@dataclass(frozen=True)
class Person:
    """Somebody who asks for a page.

    Attributes
    ----------
    name
        As it was signed in with; empty where nobody signs in.
    """

    name: str = ""
    roles: frozenset[Role] = field(default_factory=frozenset)

    def may(self, role: Role) -> bool:
        """Return whether this person may do what needs a role; any role makes a reader."""
        return role in self.roles or (role is Role.READER and bool(self.roles))
