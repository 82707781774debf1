"""Passwords that lie in files of their own: so secrets reach a container, and none stands in a settings file."""

from pathlib import Path
from urllib.parse import quote, urlsplit

from pydantic import SecretStr


def read_password(path: Path) -> SecretStr:
    """Return the password in a file: its first line.

    Raises
    ------
    ValueError
        When the file cannot be read or holds none; the message never quotes it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ValueError(f"the password file {path} cannot be read ({reason}); name a file that holds it") from None
    if not lines or not lines[0]:
        raise ValueError(f"the password file {path} is empty; write the password into its first line")
    return SecretStr(lines[0])


def with_password(url: SecretStr, password: SecretStr) -> SecretStr:
    """Return a URL with a password for its user.

    Raises
    ------
    ValueError
        When the URL names no host to give it to, or has a password already.
    """
    parts = urlsplit(url.get_secret_value())
    if not parts.hostname:
        raise ValueError("`password_file` belongs to a `url` with a host; write the host into `url`, or leave it out")
    if parts.password is not None:
        raise ValueError("`url` holds a password and `password_file` names another; leave one of them out")
    user, _, host = parts.netloc.rpartition("@")
    secret = quote(password.get_secret_value(), safe="")
    return SecretStr(parts._replace(netloc=f"{user}:{secret}@{host}").geturl())
