"""`auscult retry`, `reanalyse` and `release`: what a person decides."""

import click

from service.cli.person import user_name
from service.ledger import Which
from service.operations.bootstrap import open_ledger, open_store
from service.operations.wake import Task, waker
from service.settings import load
from service.texts import texts_in
from service.vocabulary.errors import AuscultError, ObjectMissing


@click.command()
@click.argument("uid", required=False)
def retry(uid: str | None) -> None:
    """Start again what was given up: failed analyses, dead deliveries, answers that peers could not be told.

    UID is a study's or an instance's; without it, everything that was given up is started again.
    """
    settings = load()
    ledger = open_ledger(settings)
    if uid is not None and ledger.inspection.history(uid) is None:
        raise AuscultError(f"the ledger knows no study or image {uid}; `auscult worklist --uids` lists the studies")
    count = ledger.remedies.retry(uid)
    if count:
        for task in Task:
            waker(settings).wake(task)
    click.echo(f"started again: {count}" if count else "nothing was given up; nothing to start again")


@click.command()
@click.argument("uid", required=False)
@click.option("--checkpoint", help="Every image whose result in force is of this checkpoint version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reanalyse(uid: str | None, checkpoint: str | None, yes: bool) -> None:
    """Analyse images again, with the checkpoint that the workers have now.

    UID is a study's or an image's. New reports go out that supersede the earlier ones of these images; no other report
    is sent again.
    """
    if (uid is None) == (checkpoint is None):
        raise AuscultError("name a study or an image by its UID, or a checkpoint version by --checkpoint")
    settings = load()
    ledger, store = open_ledger(settings), open_store(settings)

    def is_kept(key: str) -> bool:
        try:
            store.read(key)
        except ObjectMissing:
            return False
        return True

    if not yes:
        click.confirm("New reports of these images will be sent, in place of the earlier ones. Go on", abort=True)
    count = ledger.remedies.reanalyse(Which(uid, checkpoint), is_kept, user_name())
    if count:
        waker(settings).wake(Task.INFER)
    click.echo(f"to be analysed again: {count}" if count else "no image of these has a result in force and its bytes")


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
        click.echo(f"study {study_uid} is on hold: {texts_in(settings.language).of(reason)}")
        click.confirm("Did a person make sure whose images these are? Its reports will be sent", abort=True)
    ledger.remedies.release(study_uid, user_name())
    for task in Task:
        waker(settings).wake(task)
    click.echo("released")
