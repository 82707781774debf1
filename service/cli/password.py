"""`auscult password`: writes the file of users, of which it keeps hashes alone."""

import sys
from pathlib import Path

import click

from service.audit.administration_events import AuditedChange
from service.cli.marking import note_administered
from service.cli.speech import site_texts
from service.security import passwords
from service.settings import load
from service.texts import Texts
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.roles import Role

_LEAST = 12


@click.command()
@click.argument("name")
@click.option(
    "--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="The file; `web.users` by default."
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice([role.value for role in Role]),
    help="What NAME may do at the page; may be given again. What it was before, or reader, by default.",
)
@click.option("--remove", is_flag=True, help="Take the name out of the file.")
def password(name: str, path: Path | None, roles: tuple[str, ...], remove: bool) -> None:
    """Set the password of NAME for the page or for DICOM associations.

    It is asked for twice, or read as one line from standard input when that is no terminal; never from the command
    line, where others could see it. Processes that run use the new file at once.
    """
    settings, say = load(), site_texts()
    path = path or settings.web.users
    if path is None:
        raise SettingsInvalid(say("password.no_file"))
    if not passwords.NAME.fullmatch(name):
        raise SettingsInvalid(say("password.bad_name"))
    entries = passwords.read(path, "the file") if path.exists() else {}
    if remove and name not in entries:
        raise SettingsInvalid(say("password.unknown", file=path))
    if remove:
        del entries[name]
    else:
        before = entries[name].roles if name in entries else frozenset({Role.READER})
        entries[name] = passwords.User(
            passwords.PasswordHash.of(_asked(say)), frozenset(map(Role, roles)) if roles else before
        )
    try:
        passwords.write(path, entries)
    except OSError as error:
        raise SettingsInvalid(say("password.not_written", file=path, reason=error.strerror)) from None
    if settings.data_dir.is_dir():  # a file that is made ahead of its site is no change of one
        done = "removed" if remove else "set"
        note_administered(settings, AuditedChange.USERS, f"the password of {name} was {done}")
    click.echo(say("password.removed" if remove else "password.set", file=path))


def _asked(say: Texts) -> str:
    if sys.stdin.isatty():
        text: str = click.prompt(say("password.prompt"), hide_input=True, confirmation_prompt=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if len(text) < _LEAST:
        raise SettingsInvalid(say("password.short", least=_LEAST))
    return text
