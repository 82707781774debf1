"""A file of user names and passwords, of which it holds hashes alone (scrypt, RFC 7914).

A line is ``NAME:$scrypt$ln=14,r=8,p=5$SALT$HASH``, salt and hash in base64 without padding, and after another colon the
roles at the page, with commas between them; without any the name is a reader's. `auscult password` writes it.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from service.security.person import Person
from service.security.reloading import Reloading
from service.security.throttle import Throttle
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.roles import Role, SignInWay

#: A name may stand in a line of the file and in HTTP's Basic scheme.
NAME = re.compile(r"[^:\x00-\x1f\x7f]{1,64}")
#: Seconds for which a password that was right need not be hashed again: the page asks many times a minute.
_REMEMBERED_S = 600.0
_LINE = re.compile(
    r"([^:]+):\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)(?::([a-z,]+))?"
)


class PasswordCheck(Enum):
    """What is said of a name and a password."""

    RIGHT = auto()
    WRONG = auto()
    #: Not looked at: too many were wrong from there a moment ago.
    PAUSED = auto()


@dataclass(frozen=True)
class PasswordHash:
    """The hash of one password; 16 MiB and some 200 ms are needed to compute it."""

    salt: bytes
    digest: bytes
    log2_n: int = 14
    r: int = 8
    p: int = 5

    @classmethod
    def of(cls, password: str) -> "PasswordHash":
        """Return a password's hash, with a salt of its own."""
        empty = cls(os.urandom(16), b"")
        return cls(empty.salt, empty.computed(password.encode()))

    def computed(self, password: bytes) -> bytes:
        """Return the digest that a password has with this salt."""
        n = 1 << self.log2_n
        memory = 128 * self.r * (n + self.p + 2)
        return hashlib.scrypt(password, salt=self.salt, n=n, r=self.r, p=self.p, maxmem=2 * memory, dklen=32)

    def matches(self, password: bytes) -> bool:
        """Return whether it is this password's hash, in the same time for each that is not."""
        return hmac.compare_digest(self.computed(password), self.digest)

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode().rstrip("=") for part in (self.salt, self.digest))
        return f"$scrypt$ln={self.log2_n},r={self.r},p={self.p}${salt}${digest}"


@dataclass(frozen=True)
class User:
    """What a line of the file says of a name."""

    password: PasswordHash
    roles: frozenset[Role] = frozenset({Role.READER})

    def __str__(self) -> str:
        # A reader's line is what every version reads.
        return str(self.password) + (f":{','.join(sorted(self.roles))}" if self.roles != {Role.READER} else "")


#: Is compared with where there is no such name, so that an answer takes as long.
_NOBODY = PasswordHash(bytes(16), b"")


class PasswordFile:
    """Verifies names and passwords against a file, which may change at any time.

    Parameters
    ----------
    setting
        The setting that names the file, for messages.

    Raises
    ------
    SettingsInvalid
        When the file cannot be read or holds a line that is no entry.
    """

    def __init__(self, setting: str, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = Reloading(setting, [path], lambda: read(path, setting))
        self._clock = clock
        self._throttle = Throttle(clock)
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}
        # One at a time: each takes memory and a core, and a peer that guesses shall hold up guesses alone.
        self._hashing = threading.Lock()

    def person(self, name: str) -> Person:
        """Return who a name is and what that person may do now."""
        user = self._file.current().get(name)
        return Person(name, user.roles if user is not None else frozenset(), SignInWay.PASSWORD)

    def credential(self, name: str) -> str:
        """Return what changes when a name's password does; empty where there is no such name."""
        user = self._file.current().get(name)
        return "" if user is None else hashlib.sha256(str(user.password).encode()).hexdigest()

    def verify(self, name: str, password: bytes, peer: str) -> PasswordCheck:
        """Tell whether a password is a name's.

        Parameters
        ----------
        peer
            The address that asks: after some wrong passwords its further ones are not looked at for a while.
        """
        user = self._file.current().get(name)
        entry = user.password if user is not None else None
        mark = hmac.digest(self._key, f"{name}:{entry}:".encode() + password, "sha256")
        if entry is not None and self._remembered.get(mark, 0.0) > self._clock():
            return PasswordCheck.RIGHT
        with self._hashing:
            if self._throttle.is_paused(peer):
                return PasswordCheck.PAUSED
            is_right = (entry or _NOBODY).matches(password)
            if entry is None or not is_right:
                self._throttle.failed(peer)
                return PasswordCheck.WRONG
            self._throttle.succeeded(peer)
            now = self._clock()
            self._remembered = {mark: end for mark, end in self._remembered.items() if end > now}
            self._remembered[mark] = now + _REMEMBERED_S
            return PasswordCheck.RIGHT


def read(path: Path, setting: str) -> dict[str, User]:
    """Return the entries of a file by name.

    Raises
    ------
    SettingsInvalid
        When it cannot be read or holds a line that is no entry; the message names the line's number alone.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise SettingsInvalid(
            f"{setting} = {path}: cannot be read ({getattr(error, 'strerror', None) or 'it is not UTF-8'});"
            " write its first entry with `auscult password`"
        ) from None
    entries = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            entry = _LINE.fullmatch(line)
            if entry is None or not 10 <= int(entry[2]) <= 20 or not 0 < int(entry[3]) <= 32 or int(entry[4]) < 1:
                raise SettingsInvalid(
                    f"{setting} = {path}: line {number} is no entry; write it anew with `auscult password`"
                )
            salt, digest = (base64.b64decode(part + "=" * (-len(part) % 4)) for part in entry.group(5, 6))
            roles = entry[7].split(",") if entry[7] else [Role.READER]
            if not set(roles) <= set(Role):
                raise SettingsInvalid(
                    f"{setting} = {path}: line {number} names a role that there is not; the roles are {', '.join(Role)}"
                )
            password = PasswordHash(salt, digest, *map(int, entry.group(2, 3, 4)))
            entries[entry[1]] = User(password, frozenset(map(Role, roles)))
    return entries


def write(path: Path, entries: dict[str, User]) -> None:
    """Write a file anew; it is whole at every moment, and its owner alone may read it.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(new, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.writelines(f"{name}:{entry}\n" for name, entry in entries.items())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
