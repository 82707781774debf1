"""What `auscult doctor` looks at: each check yields ``(name, whether it passed, what was found and the remedy)``."""

import os
import time
from collections.abc import Callable, Iterator
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
from service.demo.phantom import phantom_values
from service.dicom.contexts import ENCAPSULATED_TRANSFER_SYNTAXES, PLAIN_TRANSFER_SYNTAXES
from service.dicom.pixels import decode, read_instance
from service.dicom.scu import DestinationAssociation
from service.ledger.database import connect, reading, tables_problem
from service.ledger.trouble import RESTORE
from service.objects import ObjectStore
from service.operations.bootstrap import open_ledger, open_store
from service.process.clock import utc_now
from service.process.ports import require_free
from service.refused import not_mended, refused_callers
from service.settings import DestinationSettings, Settings, WebSettings
from service.texts import texts_in
from service.vocabulary.errors import DeliveryFailed, SettingsInvalid, Unavailable, UndecodablePixels

Found = Iterator[tuple[str, bool, str]]

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
        space = f"{free / 1024**3:.1f} GiB free, {least / 1024**3:.1f} GiB needed"
        yield (
            "disk space",
            free >= least,
            space if free >= least else f"{space}; free some, or lower listener.minimum_free_bytes",
        )
        seconds = _time_of_durable_write(store)
    except Unavailable as error:
        yield "disk", False, str(error)
        return
    told = f"1 MiB made durable in {1000 * seconds:.1f} ms"
    remedy = "put data_dir on a faster disk" if settings.store.is_local else "bring the bucket's server nearer"
    slow = f"{told}; {remedy}" if seconds > _SLOW_FSYNC_S else told
    yield "disk speed", seconds <= _SLOW_FSYNC_S, slow


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
        yield "database", problem is None, problem or f"reachable{_encryption(engine)}, tables of this version"
        durable, told = _durability(engine)
        yield "durable commits", durable, told
        if engine.dialect.name == "sqlite":
            yield _wholeness(engine)
    except Unavailable as error:
        yield "database", False, str(error)
    finally:
        engine.dispose()


def _wholeness(engine: Engine) -> tuple[str, bool, str]:
    """Look at every page of the ledger's file: a damaged one may else be met only when an image needs it."""
    with reading(engine) as session:
        found = session.execute(text("PRAGMA quick_check(1)")).scalar_one()
    damaged = f"the ledger {engine.url.database} is damaged; {RESTORE}"
    return "ledger file", found == "ok", "every page is whole" if found == "ok" else damaged


def _encryption(engine: Engine) -> str:
    if engine.dialect.name == "sqlite":
        return ""
    with reading(engine) as session:
        connection: Any = session.connection().connection.driver_connection
        return " over TLS" if connection.pgconn.ssl_in_use else " without encryption"


def _durability(engine: Engine) -> tuple[bool, str]:
    with reading(engine) as session:
        if engine.dialect.name == "sqlite":
            mode = session.execute(text("PRAGMA journal_mode")).scalar_one()
            level = session.execute(text("PRAGMA synchronous")).scalar_one()
            durable = mode == "wal" and level >= 2
            told = f"SQLite: journal_mode={mode}, synchronous={level}"
            return durable, told if durable else f"{told}; data_dir must be on a local disk, not on a network share"
        found = {name: session.execute(text(f"SHOW {name}")).scalar_one() for name in ("synchronous_commit", "fsync")}
    durable = "off" not in found.values()
    told = "PostgreSQL: " + ", ".join(f"{name}={value}" for name, value in found.items())
    return (
        durable,
        told if durable else f"{told}; turn it on, or a power cut loses what was acknowledged",
    )


def ports(settings: Settings) -> Found:
    """Check that each port is free, or that our own server answers on it."""
    listener, web = settings.listener, settings.web
    if not listener.tls.only:
        yield _port("listener port", listener.host, listener.port, lambda: _answers_echo(settings), "listener.port")
    if listener.tls.is_on:
        yield _port(
            "listener TLS port",
            listener.host,
            listener.tls.port,
            lambda: shows_certificate(listener.host, listener.tls.port, listener.tls),
            "listener.tls.port",
        )
    yield _port("web port", web.host, web.port, lambda: _answers_page(web), "web.port")


def _answers_page(web: WebSettings) -> bool:
    if web.tls.is_on:
        return shows_certificate(web.host, web.port, web.tls)
    return answers_health(web)


def _port(name: str, host: str, port: int, is_ours: Callable[[], bool], setting: str) -> tuple[str, bool, str]:
    if port == 0:
        return name, True, "the system chooses one at each start"
    try:
        require_free(setting, host, port)
    except SettingsInvalid as error:
        if is_ours():
            return name, True, f"{port}: auscult is running on it"
        return name, False, str(error)
    return name, True, f"{port}: free"


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
    return _echo_problem(DestinationAssociation(ourselves, calling)) is None


def decoders(_settings: Settings) -> Found:
    """Check each decoder on a tiny radiograph of its transfer syntax."""
    broken = []
    for uid in (*PLAIN_TRANSFER_SYNTAXES, *ENCAPSULATED_TRANSFER_SYNTAXES):
        problem = _decoding_problem(str(uid))
        if problem is not None:
            broken.append(uid)
            yield f"decoder {UID(uid).name}", False, f"{problem}; install auscult's requirements again"
    total = len(PLAIN_TRANSFER_SYNTAXES) + len(ENCAPSULATED_TRANSFER_SYNTAXES)
    if not broken:
        yield "decoders", True, f"{total} transfer syntaxes decoded"


def _decoding_problem(transfer_syntax_uid: str) -> str | None:
    """Decode a sample; they are all the phantom with seed 0, at different sizes."""
    # The three HTJ2K syntaxes differ in what they promise of one and the same code stream.
    name = _HTJ2K[1] if transfer_syntax_uid in _HTJ2K else transfer_syntax_uid
    dataset = read_instance(BytesIO((files("service.cli") / "samples" / f"{name}.dcm").read_bytes()))
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    try:
        values = decode(dataset).display()
    except UndecodablePixels as error:
        return str(error)
    wrong = np.abs(values - phantom_values(0, *values.shape)).mean() > _TOLERANCE
    return "decodes to other values than were encoded" if wrong else None


def destinations(settings: Settings) -> Found:
    """Check each destination, and each peer that waits for our answers, by C-ECHO."""
    if not settings.destinations:
        yield "destinations", True, "none is configured: reports are built and kept, and sent to nobody"
    for destination in settings.destinations:
        problem = _echo_problem(DestinationAssociation(destination, settings.calling_ae_title(destination)))
        where = f"{destination.ae_title} at {destination.host}:{destination.port}"
        yield f"destination {destination.name}", problem is None, f"{where} {problem or 'answers C-ECHO'}"
    for peer in settings.peers:
        problem = _echo_problem(DestinationAssociation(peer, settings.calling_ae_title(peer)))
        yield f"peer {peer.ae_title}", problem is None, f"{peer.host}:{peer.port} {problem or 'answers C-ECHO'}"


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
        yield "callers", True, "nobody was refused in the last day whom the settings would refuse now"
    for caller in refused[:_CALLERS_SHOWN]:
        yield (
            "callers",
            False,
            f"{caller.sentence}: {caller.why}",
        )


def audit_trail(settings: Settings) -> Found:
    """Check that the audit trail can be written, and that nothing waits for long."""
    problem = audit.examine(settings)
    yield "audit trail", problem is None, problem or f"goes to {settings.audit_file}"


def _echo_problem(association: DestinationAssociation) -> str | None:
    try:
        with association:
            association.echo()
    except DeliveryFailed as error:
        return f"does not answer C-ECHO: {error}"
    return None


def queue(settings: Settings) -> Found:
    """Check that workers can be woken."""
    if settings.queue.is_local:
        yield "queue", True, "local: workers on this machine are woken through named pipes"
        return
    from redis import Redis, RedisError

    try:
        client = Redis.from_url(settings.queue.address.get_secret_value(), socket_connect_timeout=3, socket_timeout=3)
        client.ping()
        client.close()
    except (RedisError, OSError) as error:
        yield (
            "queue",
            False,
            f"Redis does not answer ({type(error).__name__}); check queue.url, password, certificates and the server",
        )
    else:
        over = " over TLS" if settings.queue.address.get_secret_value().startswith("rediss:") else ""
        yield "queue", True, f"Redis answers{over}"
