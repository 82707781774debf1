"""PostgreSQL and Redis that take only TLS, and only from who shows a certificate: as where they are on other hosts."""

import json
import subprocess
import tomllib
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from sqlalchemy import make_url, text

from service.operations.wake import Task, waker
from service.settings import load
from service.vocabulary.states import State
from tests import documents, servers
from tests.certificates import Authority
from tests.journeys.gateway import PARTS, Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.servers import Encryption

_DOCUMENT = "howto/run-with-postgresql-and-redis.md"


@dataclass(frozen=True)
class Site:
    """A gateway, its archive, and the files of both servers and of their client."""

    gateway: Gateway
    pacs: CountingPacs
    encryption: Encryption


def _encryption(folder: Path) -> Encryption:
    authority = Authority(folder)
    return Encryption(authority.ca, authority.issue("server"), authority.issue("auscult"))


@pytest.fixture(scope="module")
def site(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    for name in ("postgres", "initdb", "redis-server"):
        program(name)
    encryption = _encryption(tmp_path_factory.mktemp("certificates"))
    with (
        servers.postgres_cluster(encryption=encryption) as cluster,
        cluster.run() as postgres,
        servers.redis_server(tmp_path_factory.mktemp("redis"), encryption=encryption) as redis_url,
        CountingPacs() as pacs,
        gateway(
            tmp_path_factory.mktemp("site"),
            [destination(pacs.port)],
            parts=(*PARTS, "web"),
            database_url=postgres.create_database(),
            redis_url=redis_url,
        ) as running,
    ):
        yield Site(running, pacs, encryption)


def _urls(gateway: Gateway) -> tuple[str, str]:
    settings = tomllib.loads((gateway.folder / "auscult.toml").read_text())
    return settings["database"]["url"], settings["queue"]["url"]


def _findings(ran: subprocess.CompletedProcess[str]) -> dict[str, tuple[bool, str]]:
    assert "Traceback" not in ran.stdout + ran.stderr
    return {finding["name"]: (finding["passed"], finding["message"]) for finding in json.loads(ran.stdout)}


def test_the_settings_are_those_of_the_document(site: Site) -> None:
    (block,) = (block for block in documents.blocks(_DOCUMENT, "toml") if "rediss:" in block)
    database_url, queue_url = _urls(site.gateway)
    own, (certificate, key) = make_url(database_url), site.encryption.client
    here = {
        "db.example:5432/auscult?": f"127.0.0.1:{own.port}/{own.database}?",
        "redis.example:6379": f"127.0.0.1:{urlsplit(queue_url).port}",
        "/etc/auscult/tls/ca.pem": str(site.encryption.ca),
        "/etc/auscult/tls/auscult.pem": str(certificate),
        "/etc/auscult/tls/auscult.key": str(key),
    }
    for there, ours in here.items():
        block = block.replace(there, ours)
    assert tomllib.loads(block) == {"database": {"url": database_url}, "queue": {"url": queue_url}}


def test_an_image_goes_all_the_way_where_every_connection_is_encrypted(site: Site) -> None:
    gateway, source = site.gateway, chest(640)
    assert gateway.send(source) == 0x0000
    gateway.wait_until_settled()
    assert gateway.version(source).state == State.DELIVERED
    assert len(site.pacs.of(source)) == 3
    port = tomllib.loads((gateway.folder / "auscult.toml").read_text())["web"]["port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
        assert answer.status == 200
    others = text(
        "SELECT ssl, client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
        " WHERE backend_type = 'client backend' AND datname = current_database()"
    )
    with gateway.ledger.engine.connect() as connection:
        found = connection.execute(others).all()
    # Listener, both workers, sweep, page, and the test itself.
    assert len(found) >= 6
    assert all(ssl and "CN=auscult" in name for ssl, name in found)
    with redis.Redis.from_url(_urls(gateway)[1]) as broker:
        assert broker.config_get("port")["port"] == "0"  # nothing but TLS
        assert len(broker.client_list()) >= 3  # who wakes, and who is woken
    assert "the broker took no wake-up" not in gateway.output()


def test_the_doctor_finds_both_encrypted_and_their_certificates_valid(site: Site) -> None:
    findings = _findings(site.gateway.run("doctor", "--json"))
    assert findings["database"] == (True, "reachable over TLS, tables of this version")
    assert findings["queue"] == (True, "Redis answers over TLS")
    named = ("database.url sslrootcert", "database.url sslcert", "queue.url ssl_ca_certs", "queue.url ssl_certfile")
    for name in named:
        assert findings[name][0], findings[name]
        assert "is valid until" in findings[name][1]


def test_servers_of_another_authority_are_refused_in_words(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = str(_encryption(tmp_path).ca)
    database_url, queue_url = (url.replace(str(site.encryption.ca), stranger) for url in _urls(site.gateway))
    variables = {"AUSCULT_DATABASE__URL": database_url, "AUSCULT_QUEUE__URL": queue_url}
    findings = _findings(site.gateway.run("doctor", "--json", variables=variables))
    assert not findings["database"][0]
    assert "check sslmode, sslrootcert, sslcert and sslkey in `database.url`" in findings["database"][1]
    assert not findings["queue"][0]
    assert "check queue.url, password, certificates and the server" in findings["queue"][1]
    waker(load(queue={"url": queue_url})).wake(Task.INFER)
    assert "the broker took no wake-up for infer" in caplog.text


def test_who_shows_no_certificate_is_told_what_to_set(site: Site) -> None:
    url = _urls(site.gateway)[0].partition("&sslcert=")[0]
    refused = site.gateway.run("db", "upgrade", variables={"AUSCULT_DATABASE__URL": url})
    assert refused.returncode != 0
    assert "check sslmode, sslrootcert, sslcert and sslkey in `database.url`" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
