"""What `auscult doctor` looks at."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.uid import UID
from sqlalchemy import Engine, text

from service import audit
from service.cli.alive import answers_health
from service.cli.certificates import reachable, shows_certificate
from service.cli.found import Found
from service.demo.phantom import phantom_values
from service.dicom.contexts import ENCAPSULATED_TRANSFER_SYNTAXES, PLAIN_TRANSFER_SYNTAXES
from service.dicom.pixels import decode, read_instance
from service.dicom.scu import DestinationAssociation
from service.ledger.database import connect, reading, tables_problem
from service.ledger.trouble import RESTORE
from service.objects import ObjectStore
from service.operations.bootstrap import open_ledger, open_store
from service.partners import echo_error
from service.process import heartbeat
from service.process.clock import utc_now
from service.process.ports import require_free
from service.refused import not_mended, refused_callers
from service.settings import (
    DestinationSettings,
    Settings,
    WebSettings,
)
from service.texts import Sentence, texts_in
from service.vocabulary.errors import SettingsInvalid, Unavailable, UndecodablePixels

#: An fsync that takes longer holds up every acknowledgement.
_SLOW_FSYNC_S = 0.25
_SAMPLE_BYTES = 1024**2
#: Refused peers that are told of; `auscult status` lists all.
_CALLERS_SHOWN = 5
#: Largest mean difference of a decoded sample from what was encoded, on a scale of 0 to 1; the lossy ones need it.
_TOLERANCE = 0.04
_HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")


def disk(settings: Settings) -> Found:
    """Check that the object store takes an object, durably and in time, and has space."""
    try:
        store = open_store(settings)
        free, least = store.room.free_bytes(), store.room.reserve_bytes
        space = Sentence("found.space", free=f"{free / 1024**3:.1f}", needed=f"{least / 1024**3:.1f}")
        yield (
            Sentence("check.disk_space"),
            free >= least,
            space if free >= least else Sentence("found.no_space", space=space),
        )
        seconds = _time_of_durable_write(store)
    except Unavailable as error:
        yield Sentence("check.disk"), False, error
        return
    speed = Sentence("found.speed", milliseconds=f"{1000 * seconds:.1f}")
    slow = Sentence("found.slow_disk" if settings.store.is_local else "found.slow_bucket", speed=speed)
    yield Sentence("check.disk_speed"), seconds <= _SLOW_FSYNC_S, slow if seconds > _SLOW_FSYNC_S else speed


def _time_of_durable_write(store: ObjectStore) -> float:
    started = time.perf_counter()
    # Random, so that it is never an object that somebody needs.
    stored = store.put(os.urandom(_SAMPLE_BYTES))
    seconds = time.perf_counter() - started
    store.remove(stored.key, 0)
    return seconds


def database(settings: Settings) -> Found:
    """Check that the database answers, has this version's tables and makes its commits durable."""
    engine = connect(settings.database_url)
    try:
        problem = tables_problem(engine)
        yield Sentence("check.database"), problem is None, problem or Sentence(_encryption(engine))
        durable, told = _durability(engine)
        yield Sentence("check.durable_commits"), durable, told
        if engine.dialect.name == "sqlite":
            yield _wholeness(engine)
    except Unavailable as error:
        yield Sentence("check.database"), False, error
    finally:
        engine.dispose()


def _wholeness(engine: Engine) -> tuple[Sentence, bool, Sentence]:
    """Look at every page of the ledger's file: a damaged one may else be met only when an image needs it."""
    with reading(engine) as session:
        found = session.execute(text("PRAGMA quick_check(1)")).scalar_one()
    damaged = Sentence("found.ledger_damaged", path=engine.url.database, restore=RESTORE)
    return Sentence("check.ledger_file"), found == "ok", Sentence("found.ledger_whole") if found == "ok" else damaged


def _encryption(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return "found.database"
    with reading(engine) as session:
        connection: Any = session.connection().connection.driver_connection
        return "found.database_tls" if connection.pgconn.ssl_in_use else "found.database_clear"


def _durability(engine: Engine) -> tuple[bool, Sentence | str]:
    with reading(engine) as session:
        if engine.dialect.name == "sqlite":
            mode = session.execute(text("PRAGMA journal_mode")).scalar_one()
            level = session.execute(text("PRAGMA synchronous")).scalar_one()
            durable = mode == "wal" and level >= 2
            modes = f"SQLite: journal_mode={mode}, synchronous={level}"
            return durable, modes if durable else Sentence("found.sqlite_not_durable", modes=modes)
        found = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in ("synchronous_commit", "fsync")}
    durable = "off" not in found.values()
    modes = "PostgreSQL: " + ", ".join(f"{name}={value}" for name, value in found.items())
    return durable, modes if durable else Sentence("found.server_not_durable", modes=modes)


def ports(settings: Settings) -> Found:
    """Check that each port is free, or that our own server answers on it."""
    listener, web = settings.listener, settings.web
    if not listener.tls.only:
        yield _port(
            "check.listener_port", listener.host, listener.port, lambda: _answers_echo(settings), "listener.port"
        )
    if listener.tls.is_on:
        yield _port(
            "check.listener_tls_port",
            listener.host,
            listener.tls.port,
            lambda: shows_certificate(listener.host, listener.tls.port, listener.tls),
            "listener.tls.port",
        )
    hl7 = settings.hl7
    if hl7.port is not None:
        yield _port("check.hl7_port", hl7.host, hl7.port, lambda: _hears_hl7(settings), "hl7.port")
    yield _port("check.web_port", web.host, web.port, lambda: _answers_page(web), "web.port")


def _hears_hl7(settings: Settings) -> bool:
    return bool(heartbeat.ages(settings.heartbeat_dir, "hl7"))


def _answers_page(web: WebSettings) -> bool:
    if web.tls.is_on:
        return shows_certificate(web.host, web.port, web.tls)
    return answers_health(web)


def _port(
    check: str, host: str, port: int, is_ours: Callable[[], bool], setting: str
) -> tuple[Sentence, bool, Sentence | SettingsInvalid]:
    name = Sentence(check)
    if port == 0:
        return name, True, Sentence("found.port_chosen")
    try:
        require_free(setting, host, port)
    except SettingsInvalid as error:
        if is_ours():
            return name, True, Sentence("found.port_ours", port=port)
        return name, False, error
    return name, True, Sentence("found.port_free", port=port)


def _answers_echo(settings: Settings) -> bool:
    listener = settings.listener
    ourselves = DestinationSettings(
        name="listener",
        ae_title=listener.ae_title,
        host=reachable(listener.host),
        port=listener.port,
        connect_timeout=3,
        response_timeout=3,
    )
    # Where only some peers may call, ask under the name of one of them.
    calling = listener.allowed_ae_titles[0] if listener.allowed_ae_titles else listener.ae_title
    return echo_error(DestinationAssociation(ourselves, calling)) is None


def decoders(_settings: Settings) -> Found:
    """Check each decoder on a tiny radiograph of its transfer syntax."""
    broken = []
    for uid in (*PLAIN_TRANSFER_SYNTAXES, *ENCAPSULATED_TRANSFER_SYNTAXES):
        problem = _decoding_problem(str(uid))
        if problem is not None:
            broken.append(uid)
            yield (
                Sentence("check.decoder", syntax=UID(uid).name),
                False,
                Sentence("found.decoder_broken", problem=problem),
            )
    total = len(PLAIN_TRANSFER_SYNTAXES) + len(ENCAPSULATED_TRANSFER_SYNTAXES)
    if not broken:
        yield Sentence("check.decoders"), True, Sentence("found.decoders", count=total)


def _decoding_problem(transfer_syntax_uid: str) -> Sentence | UndecodablePixels | None:
    """Decode a sample; they are all the phantom with seed 0, at different sizes."""
    # The three HTJ2K syntaxes differ in what they promise of one and the same code stream.
    name = _HTJ2K[1] if transfer_syntax_uid in _HTJ2K else transfer_syntax_uid
    dataset = read_instance(BytesIO((files("service.cli") / "samples" / f"{name}.dcm").read_bytes()))
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    try:
        values = decode(dataset).display()
    except UndecodablePixels as error:
        return error
    wrong = np.abs(values - phantom_values(0, *values.shape)).mean() > _TOLERANCE
    return Sentence("found.decodes_otherwise") if wrong else None


def callers(settings: Settings) -> Found:
    """Check that nobody was refused in the last day whom the settings would refuse again."""
    try:
        ledger = open_ledger(settings)
    except Unavailable:
        return  # what is wrong with the database is told there
    try:
        refused = not_mended(
            refused_callers(texts_in(settings.language), ledger, utc_now(), timedelta(days=1)), settings
        )
    finally:
        ledger.engine.dispose()
    if not refused:
        yield Sentence("check.callers"), True, Sentence("found.no_callers")
    for caller in refused[:_CALLERS_SHOWN]:
        yield Sentence("check.callers"), False, Sentence("found.caller", sentence=caller.sentence, why=caller.why)


def audit_trail(settings: Settings) -> Found:
    """Check that the audit trail can be written, and that nothing waits for long."""
    problem = audit.examine(settings)
    yield (
        Sentence("check.audit_trail"),
        problem is None,
        problem or Sentence("found.audit_trail", file=settings.audit_file),
    )


def queue(settings: Settings) -> Found:
    """Check that workers can be woken."""
    if settings.queue.is_local:
        yield Sentence("check.queue"), True, Sentence("found.queue_local")
        return
    from redis import Redis, RedisError

    try:
        client = Redis.from_url(settings.queue.address.get_secret_value(), socket_connect_timeout=3, socket_timeout=3)
        client.ping()
        client.close()
    except (RedisError, OSError) as error:
        yield Sentence("check.queue"), False, Sentence("found.queue_silent", name=type(error).__name__)
    else:
        is_encrypted = settings.queue.address.get_secret_value().startswith("rediss:")
        yield Sentence("check.queue"), True, Sentence("found.queue_tls" if is_encrypted else "found.queue")
