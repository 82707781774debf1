"""Every command's own help."""

from collections.abc import Iterator
from copy import copy

import click

from service.cli import _group

_WIDTH = 100


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command and subcommand by its full name."""
    yield from _below(_group, "auscult")


def commands() -> str:
    """Return a heading and the help of each command."""
    return "\n\n".join(f"## `{name}`\n\n```text\n{_help(name, command)}\n```" for name, command in all_commands())


def _below(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            yield f"{prefix} {name}", command
            if isinstance(command, click.Group):
                yield from _below(command, f"{prefix} {name}")


def _help(name: str, command: click.Command) -> str:
    settings = {"terminal_width": _WIDTH, "max_content_width": _WIDTH, "help_option_names": ["-h", "--help"]}
    command = copy(command)
    # click keeps the help option of whoever asked first, which need not be this document.
    command._help_option = None  # noqa: SLF001
    with click.Context(command, info_name=name, **settings) as context:  # type: ignore[arg-type]
        return command.get_help(context).rstrip()
