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
from service.texts import Texts
from service.vocabulary.errors import AuscultError, CheckpointInvalid, SettingsInvalid

#: What a person does about what the system lacks, by the code of its text.
_REMEDIES = {
    errno.EMFILE: "system.handles",
    errno.ENFILE: "system.handles",
    errno.ENOSPC: "system.disk_full",
    errno.EDQUOT: "system.quota",
    errno.EROFS: "system.read_only",
    errno.EACCES: "system.permission",
    errno.EIO: "system.disk_fails",
    errno.ENOMEM: "system.memory",
}

_COMMANDS = {
    "up": "service.cli.up:up",
    "listen": "service.cli.serve:listen",
    "listen-hl7": "service.cli.listen_hl7:listen_hl7",
    "web": "service.cli.web:web",
    "sweep": "service.cli.sweep:sweep",
    "db": "service.cli.db:db",
    "alive": "service.cli.alive:alive",
    "status": "service.cli.look:status",
    "show": "service.cli.look:show",
    "worklist": "service.cli.look:worklist",
    "simulate": "service.cli.simulate:simulate",
    "close": "service.cli.reading:close",
    "reopen": "service.cli.reading:reopen",
    "export": "service.cli.export:export",
    "feedback": "service.cli.feedback:feedback",
    "retry": "service.cli.remedy:retry",
    "reanalyse": "service.cli.remedy:reanalyse",
    "release": "service.cli.remedy:release",
    "abandon": "service.cli.remedy:abandon",
    "machines": "service.cli.machines:machines",
    "shadow": "service.cli.shadow:shadow",
    "doctor": "service.cli.doctor:doctor",
    "password": "service.cli.password:password",
    "token": "service.cli.token:token",
    "logout": "service.cli.logout:logout",
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
        click.echo(f"auscult: {_texts().told(error)}", err=True)
        sys.exit(os.EX_CONFIG if isinstance(error, (SettingsInvalid, CheckpointInvalid)) else 1)
    except OSError as error:
        # The path that it is about may be a person's words; what the system says is not.
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None:
            _tell_unforeseen(error)
        say, place = _texts(), origin(type(error), error.__traceback__)
        click.echo(f"auscult: {say('system.error', reason=error.strerror, place=place, remedy=say(remedy))}", err=True)
        sys.exit(os.EX_OSERR)
    except Exception as error:  # noqa: BLE001
        _tell_unforeseen(error)


def _tell_unforeseen(error: Exception) -> NoReturn:
    # What it says may come from a data set, so only its place is told.
    place = origin(type(error), error.__traceback__)
    click.echo(f"auscult: {_texts()('system.unforeseen', place=place)}", err=True)
    sys.exit(os.EX_SOFTWARE)


def _texts() -> Texts:
    from service.cli.speech import site_texts  # the settings load only where they are used

    return site_texts()
