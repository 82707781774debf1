"""Who asks at a terminal."""

import getpass


def user_name() -> str:
    """Return the name that the system has for who asks; empty where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
