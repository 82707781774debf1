"""The `auscult` command.

Each command's module is imported when the command is called, so that a listener never waits for what a worker needs;
`worker` and `training` add theirs as entry points in the group ``auscult.commands``.
"""

import errno
import os
import sys
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import NoReturn

import click

from service.process.log import origin
from service.vocabulary.errors import AuscultError, CheckpointInvalid, SettingsInvalid

#: What a person does about what the system lacks.
_HANDLES = "close what holds so many files open, or raise the limit (`ulimit -n`, LimitNOFILE= of systemd)"
_REMEDIES = {
    errno.EMFILE: _HANDLES,
    errno.ENFILE: _HANDLES,
    errno.ENOSPC: "the disk is full; docs/howto/survive-a-full-disk.md",
    errno.EDQUOT: "this user's quota of the disk is used up",
    errno.EROFS: "mount the disk for writing",
    errno.EACCES: "give the files of `auscult.toml` and `data_dir` to the user that runs auscult; see `auscult doctor`",
    errno.EIO: "the disk fails; look into the system's log",
    errno.ENOMEM: "the machine has no memory left",
}

_COMMANDS = {
    "up": "service.cli.up:up",
    "listen": "service.cli.serve:listen",
    "web": "service.cli.web:web",
    "sweep": "service.cli.sweep:sweep",
    "db": "service.cli.db:db",
    "alive": "service.cli.alive:alive",
    "status": "service.cli.look:status",
    "show": "service.cli.look:show",
    "worklist": "service.cli.look:worklist",
    "close": "service.cli.reading:close",
    "reopen": "service.cli.reading:reopen",
    "retry": "service.cli.remedy:retry",
    "reanalyse": "service.cli.remedy:reanalyse",
    "release": "service.cli.remedy:release",
    "doctor": "service.cli.doctor:doctor",
    "password": "service.cli.password:password",
    "send": "service.cli.send:send",
    "demo": "service.cli.demo:demo",
}


class _LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_COMMANDS, *(point.name for point in entry_points(group="auscult.commands"))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            module, _, name = _COMMANDS[cmd_name].partition(":")
            return getattr(import_module(module), name)  # type: ignore[no-any-return]
        for point in entry_points(group="auscult.commands", name=cmd_name):
            return point.load()  # type: ignore[no-any-return]
        return None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("auscult"), prog_name="auscult")
def _group() -> None:
    """Listen to the chest: a DICOM node that reads chest radiographs with a network and reports into the study.

    Research use only; not a medical device.
    """


def main() -> None:
    """Run the command; an error is a line on standard error and an exit status.

    1, 78 where a person must change the settings or what they name, or 70 when nobody foresaw it.
    """
    try:
        _group(prog_name="auscult")
    except AuscultError as error:
        click.echo(f"auscult: {error}", err=True)
        sys.exit(os.EX_CONFIG if isinstance(error, (SettingsInvalid, CheckpointInvalid)) else 1)
    except OSError as error:
        # The path that it is about may be a person's words; what the system says is not.
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None:
            _tell_unforeseen(error)
        click.echo(f"auscult: {error.strerror} ({origin(type(error), error.__traceback__)}); {remedy}", err=True)
        sys.exit(os.EX_OSERR)
    except Exception as error:  # noqa: BLE001
        _tell_unforeseen(error)


def _tell_unforeseen(error: Exception) -> NoReturn:
    # What it says may come from a data set, so only its place is told.
    click.echo(
        f"auscult: unforeseen: {origin(type(error), error.__traceback__)}. "
        "This is a fault of auscult's own: please report this line and the command.",
        err=True,
    )
    sys.exit(os.EX_SOFTWARE)
