"""Whether what names patients is kept from the machine's other users."""

import os
import pwd
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from service.cli.found import Found
from service.settings import Settings
from service.texts import Sentence

#: Entries looked at: a folder that is closed hides all that is in it, so a sound data_dir has a handful.
_MOST = 10_000
_SHOWN = 3


def private_files(settings: Settings) -> Found:
    """Check that nobody else reads or replaces what lies in `data_dir`, and that all of it is this user's own."""
    folder = settings.data_dir.resolve()
    if not folder.is_dir():
        yield Sentence("check.file_modes"), True, Sentence("found.folder_missing", folder=folder)
        return
    seen = list(islice(_reachable(folder), _MOST))
    open_ = [path for path, found in seen if _is_open(found)]
    told = Sentence("found.files_private", folder=folder)
    if open_:
        told = Sentence("found.files_open", files=_some(open_), folder=folder)
    yield Sentence("check.file_modes"), not open_, told
    own = os.geteuid()
    foreign = [path for path, found in seen if found.st_uid != own and not (path == folder and _writable(folder, own))]
    wanted = _user(folder.stat().st_uid)
    told = Sentence("found.files_owned", user=_user(own))
    if foreign:
        told = Sentence("found.files_foreign", files=_some(foreign), user=_user(own), owner=wanted, folder=folder)
    yield Sentence("check.file_owner"), not foreign, told


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


def _some(paths: list[Path]) -> Sentence | str:
    files = ", ".join(str(path) for path in paths[:_SHOWN])
    more = len(paths) - _SHOWN
    return Sentence("found.files_and_more", files=files, count=more) if more > 0 else files


def _user(number: int) -> Sentence | str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return Sentence("found.user_number", number=number)
