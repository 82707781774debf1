"""`auscult password`: writes the file of users, of which it keeps hashes alone."""

import sys
from pathlib import Path

import click

from service.security import passwords
from service.settings import load
from service.vocabulary.errors import SettingsInvalid

_LEAST = 12


@click.command()
@click.argument("name")
@click.option(
    "--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="The file; `web.users` by default."
)
@click.option("--remove", is_flag=True, help="Take the name out of the file.")
def password(name: str, path: Path | None, remove: bool) -> None:
    """Set the password of NAME for the page or for DICOM associations.

    It is asked for twice, or read as one line from standard input when that is no terminal; never from the command
    line, where others could see it. Processes that run use the new file at once.
    """
    path = path or load().web.users
    if path is None:
        raise SettingsInvalid("web.users names no file; set it, or name the file with --file")
    if not passwords.NAME.fullmatch(name):
        raise SettingsInvalid("a user's name has 1 to 64 characters, no colon and no control character")
    entries = passwords.read(path, "the file") if path.exists() else {}
    if remove and name not in entries:
        raise SettingsInvalid(f"{path} holds no such name")
    if remove:
        del entries[name]
    else:
        entries[name] = passwords.PasswordHash.of(_asked())
    try:
        passwords.write(path, entries)
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be written ({error.strerror}); check the folder and its mode") from None
    click.echo(f"{path}: {'removed' if remove else 'set'}")


def _asked() -> str:
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if len(text) < _LEAST:
        raise SettingsInvalid(f"the password has fewer than {_LEAST} characters; choose a longer one")
    return text
