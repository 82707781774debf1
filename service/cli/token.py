"""`auscult token`: makes, lists and revokes the tokens by which programs ask the page's API."""

import re
from datetime import timedelta

import click
from rich.console import Console
from rich.table import Table

from service.audit.administration_events import AuditedChange
from service.cli.marking import note_administered
from service.cli.person import user_name
from service.cli.speech import site_texts
from service.operations.bootstrap import open_ledger
from service.settings import load
from service.vocabulary.errors import AuscultError
from service.vocabulary.roles import Role

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


@click.group()
def token() -> None:
    """Let programs ask the page's API.

    A program sends its token with each request: `Authorization: Bearer TOKEN`.
    """


@token.command()
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice([role.value for role in Role]),
    help="What it may do; may be given again. Reader by default.",
)
@click.option("--days", type=click.IntRange(1, 3660), default=365, show_default=True, help="For how long it lasts.")
def create(name: str, roles: tuple[str, ...], days: int) -> None:
    """Make a token for the program NAME and print it; it is shown now and never again."""
    say = site_texts()
    if not _NAME.fullmatch(name):
        raise AuscultError(say("token.bad_name"))
    settings = load()
    may = frozenset(map(Role, roles)) or frozenset({Role.READER})
    made = open_ledger(settings).api_tokens.create(name, may, user_name(), timedelta(days=days))
    note_administered(
        settings, AuditedChange.USERS, f"a token was made for {name}: {', '.join(sorted(may))}, {days} days"
    )
    click.echo(say("token.created", days=days), err=True)
    click.echo(made)


@token.command("list")
def list_() -> None:
    """List the tokens that there are and were, without what only their programs know."""
    say, tokens = site_texts(), open_ledger(load()).api_tokens.all()
    if not tokens:
        click.echo(say("token.none"))
        return
    table = Table(box=None)
    for code in ("number", "name", "roles", "made", "ends", "used"):
        table.add_column(say(f"token.{code}"))
    for one in tokens:
        ends = say("token.revoked") if one.revoked_at else f"{one.expires_at:%Y-%m-%d}"
        used = f"{one.used_at:%Y-%m-%d}" if one.used_at else ""
        roles = ", ".join(say.of(role) for role in sorted(one.roles))
        table.add_row(str(one.number), one.name, roles, f"{one.created_at:%Y-%m-%d} {one.created_by}", ends, used)
    Console().print(table)


@token.command()
@click.argument("number", type=int)
def revoke(number: int) -> None:
    """End the token NUMBER of the list, now."""
    settings, say = load(), site_texts()
    if not open_ledger(settings).api_tokens.revoke(number):
        raise AuscultError(say("token.unknown", number=number))
    note_administered(settings, AuditedChange.USERS, f"token {number} was revoked")
    click.echo(say("token.ended", number=number))
