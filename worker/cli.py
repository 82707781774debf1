"""The commands that need a checkpoint: `auscult work` and `auscult replay`."""

import threading

import click

from service.audit import AuditTrail
from service.operations.bootstrap import open_ledger, open_store, owner
from service.operations.wake import Task, waker
from service.process import log
from service.process.codec_output import silenced
from service.process.heartbeat import Heartbeat
from service.process.memory import bound_arenas
from service.settings import load


@click.command()
@click.argument("task", type=click.Choice([task.value for task in Task]), default=Task.INFER.value)
@click.option("--device", help="`cpu` or a torch device such as `cuda:0`; overrides analysis.device.")
def work(task: str, device: str | None) -> None:
    """Work through what is due: `infer` (the default) or `deliver`.

    Any number of workers may run, on any number of machines. SIGTERM lets the batch under way finish.
    """
    settings = load()
    if device is not None:
        settings = settings.model_copy(update={"analysis": settings.analysis.model_copy(update={"device": device})})
    log.configure(settings.log.level, settings.log.style)
    if task == Task.DELIVER.value:
        bound_arenas()
    from worker.engine import turn  # Celery and the runtimes load only where they are used
    from worker.liveness import Liveness

    ledger, store, stop = open_ledger(settings), open_store(settings), threading.Event()
    if task == Task.INFER.value:
        from worker.card_reference import keep_card_references
        from worker.inference import Inference
        from worker.networks import load_networks

        networks = load_networks(settings.analysis, settings.scope)
        keep_card_references(ledger.drift, (network.checkpoint for network in networks.members))
        inference = Inference(settings, ledger, store, networks, waker(settings), owner(), stop)
        heartbeat = Heartbeat(settings.heartbeat_dir, task)
        try:
            with (
                silenced(),
                ledger.figures.kept(),
                Liveness([inference.activity], heartbeat, settings.liveness.stalled_after),
            ):
                turn(settings, Task.INFER, inference.run_until_idle, stop)
        finally:
            inference.close()
        return
    from worker.delivery import Delivery
    from worker.networks import load_checkpoints

    checkpoints = load_checkpoints(settings.analysis)
    with AuditTrail(settings) as trail, trail.activity("auscult work deliver"):
        delivery = Delivery(settings, ledger, store, checkpoints, trail, owner(), stop)
        try:
            with (
                silenced(),
                ledger.figures.kept(),
                Liveness(delivery.activities, Heartbeat(settings.heartbeat_dir, task), settings.liveness.stalled_after),
            ):
                turn(settings, Task.DELIVER, delivery.run_until_idle, stop)
        finally:
            stop.set()
            delivery.close()


@click.command()
@click.argument("uid")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(uid: str, as_json: bool) -> None:
    """Compute the result for the instance with this SOP Instance UID again and compare it with the ledger's.

    Exit status: 0 when the result is the same, 1 when it differs or cannot be computed.
    """
    settings = load()
    from worker.replay import replay as compute

    outcome = compute(settings, open_ledger(settings), open_store(settings), uid)
    click.echo(outcome.as_json() if as_json else outcome.sentence())
    if not outcome.agrees:
        raise SystemExit(1)
