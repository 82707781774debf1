"""`auscult retry` and `auscult release`: what a person decides when something was given up or held."""

import click

from service.core.errors import AuscultError
from service.core.premises import open_ledger
from service.core.settings import load
from service.core.wake import Task, waker


@click.command()
@click.argument("uid", required=False)
def retry(uid: str | None) -> None:
    """Start again what was given up: failed analyses, dead deliveries, answers that peers could not be told.

    UID is a study's or an instance's; without it, everything that was given up is started again.
    """
    settings = load()
    ledger = open_ledger(settings)
    if uid is not None and ledger.inspection.dossier(uid) is None:
        raise AuscultError(f"the ledger knows no study or image {uid}; `auscult worklist --uids` lists the studies")
    count = ledger.remedies.retry(uid)
    if count:
        for task in Task:
            waker(settings).wake(task)
    click.echo(f"started again: {count}" if count else "nothing was given up; nothing to start again")


@click.command()
@click.argument("study_uid")
@click.option("--yes", is_flag=True, help="Do not ask.")
def release(study_uid: str, yes: bool) -> None:
    """Let a held study go.

    Its images name two patients. Release it only when a person has made sure whose they are: its reports are sent then.
    """
    settings = load()
    ledger = open_ledger(settings)
    reason = ledger.inspection.status().held_studies.get(study_uid)
    if reason is None:
        raise AuscultError(f"study {study_uid} is not on hold; `auscult status` lists the studies that are")
    if not yes:
        click.echo(f"study {study_uid} is on hold: {reason}")
        click.confirm("Did a person make sure whose images these are? Its reports will be sent", abort=True)
    ledger.remedies.release(study_uid)
    for task in Task:
        waker(settings).wake(task)
    click.echo("released")
