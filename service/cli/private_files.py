"""Whether what names patients is kept from the machine's other users."""

import os
import pwd
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from service.settings import Settings

#: Entries looked at: a folder that is closed hides all that is in it, so a sound data_dir has a handful.
_MOST = 10_000
_SHOWN = 3


def private_files(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Check that nobody else reads or replaces what lies in `data_dir`, and that all of it is this user's own."""
    folder = settings.data_dir.resolve()
    if not folder.is_dir():
        yield "file modes", True, f"{folder} is not there yet; it is made for this user alone"
        return
    seen = list(islice(_reachable(folder), _MOST))
    open_ = [path for path, found in seen if _is_open(found)]
    remedy = f"; run `chmod -R go= {folder}`"
    told = f"what lies in {folder} is its owner's alone"
    yield "file modes", not open_, f"other users reach {_some(open_)}{remedy}" if open_ else told
    own = os.geteuid()
    foreign = [path for path, found in seen if found.st_uid != own and not (path == folder and _writable(folder, own))]
    wanted = _user(folder.stat().st_uid)
    problem = (
        f"{_some(foreign)} belongs to another user than {_user(own)}, who runs this; run auscult as {wanted}, or give"
        f" all to one user: chown -R USER {folder}"
    )
    yield "file owner", not foreign, problem if foreign else f"all of it belongs to {_user(own)}"


def _reachable(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the folder, and each entry below it that a user besides its owner comes to."""
    found = folder.lstat()
    yield folder, found
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return  # another user's: the owner is told
    is_closed = not found.st_mode & 0o011
    for entry in entries:
        path = Path(entry.path)
        try:
            inside = path.lstat()
        except OSError:
            continue  # removed meanwhile
        if stat.S_ISDIR(inside.st_mode):
            yield from [(path, inside)] if is_closed else _reachable(path)
        elif not is_closed or inside.st_uid != found.st_uid:
            yield path, inside


def _is_open(found: os.stat_result) -> bool:
    if stat.S_ISDIR(found.st_mode):
        return bool(found.st_mode & 0o002)
    return stat.S_ISREG(found.st_mode) and bool(found.st_mode & 0o066)


def _writable(folder: Path, user: int) -> bool:
    # A volume's folder may be another's, and ours to write in; to root, every folder is.
    return user != 0 and os.access(folder, os.W_OK | os.X_OK)


def _some(paths: list[Path]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(str(path) for path in paths[:_SHOWN]) + more


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
