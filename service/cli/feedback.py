"""`auscult feedback`: what people say of the AI's results."""

import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.agreement import Agreement, agreement, group_words, share_words
from service.cli.marking import known_history, note_marked
from service.cli.person import user_name
from service.ledger.views import InstanceView, StudyHistory
from service.operations.bootstrap import open_ledger
from service.operations.wake import Task, waker
from service.settings import load
from service.texts import Texts, texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import EventKind, Grouping, Opinion
from service.vocabulary.findings import Finding
from service.wording import json_value


@click.group()
def feedback() -> None:
    """Say whether an AI result is right, and look how often people agree."""


@feedback.command()
@click.argument("uid")
@click.argument("opinion", type=click.Choice([opinion.value for opinion in Opinion]))
@click.option("--finding", type=click.Choice([finding.value for finding in Finding]), help="What the image shows.")
@click.option("--comment", default="", help="A remark for those who look at the study; it is sent to nobody.")
def give(uid: str, opinion: str, finding: str | None, comment: str) -> None:
    """Say whether the AI result of an image is right.

    UID is the image's, or its study's where that has one image with a result. Of a person the newest counts.
    """
    settings = load()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    history = known_history(say, ledger, uid)
    image = _image(say, history, uid)
    given = ledger.feedback.give(
        image.sop_instance_uid,
        image.version,
        Opinion(opinion),
        finding=Finding(finding) if finding is not None else None,
        comment=comment,
        by=user_name(),
        withdraws=settings.feedback.withdraw_flag,
    )
    if not given:
        raise AuscultError(say("command.no_result", uid=uid))
    waker(settings).wake(Task.DELIVER)
    note_marked(settings, history, EventKind.FEEDBACK_GIVEN)
    click.echo(say("command.feedback_kept"))


@feedback.command("agreement")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_agreement(as_json: bool) -> None:
    """Show how often people agree with the AI, with intervals of 95 %."""
    settings = load()
    say, counted = texts_in(settings.language), open_ledger(settings).feedback.counted()
    tables = {grouping: agreement(counted, grouping) for grouping in Grouping}
    if as_json:
        click.echo(json.dumps(json_value(tables), ensure_ascii=False, indent=2))
    elif not counted:
        click.echo(say("agreement.none"))
    else:
        for grouping, rows in tables.items():
            Console().print(_table(say, grouping, rows))


def _table(say: Texts, grouping: Grouping, rows: Sequence[Agreement]) -> Table:
    table = Table(title=say.of(grouping), title_justify="left", box=None, pad_edge=False)
    for heading in ("agreement.group", "agreement.share", "agreement.interval"):
        table.add_column(say(heading))
    for opinion in Opinion:
        table.add_column(say.of(opinion), justify="right")
    for row in rows:
        counts = (row.agree, row.disagree, row.not_assessable)
        # Text, not markup: an AE title may hold square brackets.
        cells = (group_words(say, grouping, row.group), *share_words(row))
        table.add_row(*(Text(cell) for cell in cells), *(str(count) for count in counts))
    return table


def _image(say: Texts, history: StudyHistory, uid: str) -> InstanceView:
    """Return the image that a UID means among those of a study with a result."""
    judged = [view for view in history.study.instances if view.result is not None]
    named = [view for view in judged if view.sop_instance_uid == uid] or judged
    if not named:
        raise AuscultError(say("command.no_result", uid=uid))
    if len(named) > 1:
        raise AuscultError(say("command.which_image", uids=", ".join(view.sop_instance_uid for view in named)))
    return named[0]
