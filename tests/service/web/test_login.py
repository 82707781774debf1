"""The page beyond this machine: TLS, a login, and what nobody learns without."""

import base64
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from service.security.passwords import PasswordCheck, PasswordFile, PasswordHash, User, read, write
from service.settings import WebSettings
from service.vocabulary.errors import SettingsInvalid
from service.web.server import serve
from tests.certificates import Authority, Issued
from tests.fakes import cheap_user
from tests.invariants import Invariant
from tests.service.audit.test_audit import GRAMMAR
from tests.service.sample_site import SampleSite
from tests.service.web.test_server import serving

READER = ("reader", "a long enough password")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def page(authority: Authority) -> Issued:
    return authority.issue("page", "worklist.hospital.example")


@contextmanager
def guarded(site: SampleSite, authority: Authority, page: Issued, **more: Any) -> Iterator[httpx.Client]:
    """Serve a site's pages over TLS with a login; yield a client that has not logged in."""
    users = site.folder / "users"
    if not users.exists():
        write(users, {READER[0]: cheap_user(READER[1])})
    web = {"port": 0, "tls": page.settings(), "users": users, "names": ["worklist.hospital.example"]} | more
    site.settings = site.settings.model_copy(update={"web": WebSettings.model_validate(web)})
    trust = ssl.create_default_context(cafile=str(authority.ca))
    with serving(site) as address, httpx.Client(base_url=address, verify=trust, timeout=20) as client:
        assert address.startswith("https://127.0.0.1:")
        yield client


@pytest.mark.proves(Invariant.NOBODY_IN_BY_A_BROKEN_CHECK)
def test_nobody_learns_anything_without_a_login_but_that_it_serves(
    site: SampleSite, authority: Authority, page: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = site.receive(patient_name="Ames^Anna")
    uid, image = dataset.StudyInstanceUID, dataset.SOPInstanceUID
    paths = ["/", f"/studies/{uid}", f"/instances/{image}.png", "/api/worklist", f"/api/studies/{uid}", "/api/status"]
    paths += ["/metrics", "/nowhere", "//healthz", "/healthz/..", "/healthz%00"]
    with guarded(site, authority, page) as client:
        for path in paths:
            response = client.get(path)
            assert response.status_code in (401, 404), path
            assert response.status_code == 401 or path == "/healthz/..", path
            assert "Ames" not in response.text
            assert str(uid) not in response.text
            assert response.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["www-authenticate"] == 'Basic realm="auscult", charset="UTF-8"'
        assert client.get("/static/../api/worklist").status_code == 401
        assert client.get("/static/%2e%2e/api/worklist").status_code == 404
        assert client.get("/static/auscult.css").status_code == 200, "the page where one signs in needs it"
        assert client.get("/healthz").json() == {"status": "ok"}
        assert set(client.get("/readyz").json()) == {"database", "store", "audit", "clock"}
        assert "Ames" in client.get("/", auth=READER).text
        assert client.get("/metrics", auth=READER).status_code == 200
        assert client.get("/", auth=READER, headers={"host": "evil.example"}).status_code == 421
        assert client.get("/", auth=READER, headers={"host": "worklist.hospital.example:8042"}).status_code == 200
    assert READER[1] not in caplog.text


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic %%%", "Basic cmVhZGVy", "Basic " + "Og==", "Basic /////w==", "Bearer x", "basic cmVhZGVyOg=="],
)
def test_a_header_that_is_no_login_is_none(site: SampleSite, authority: Authority, page: Issued, header: str) -> None:
    with guarded(site, authority, page) as client:
        assert client.get("/", headers={"authorization": header}).status_code == 401


def test_metrics_are_open_where_the_settings_say_so(site: SampleSite, authority: Authority, page: Issued) -> None:
    with guarded(site, authority, page, open_metrics=True) as client:
        assert client.get("/metrics").status_code == 200
        assert client.get("/").status_code == 401


def test_who_guesses_is_slowed_down_and_who_is_in_stays_in(
    site: SampleSite, authority: Authority, page: Issued, caplog: pytest.LogCaptureFixture
) -> None:
    with guarded(site, authority, page) as client:
        assert client.get("/", auth=READER).status_code == 200
        answers = [client.get("/", auth=("reader", f"guess {number}")).status_code for number in range(12)]
        assert answers[:5] == [401] * 5
        assert 429 in answers[5:]
        paused = client.get("/", auth=("other", "guess"))
        assert paused.status_code in (401, 429)
        spoofed = [
            client.get("/", auth=("reader", "guess"), headers={"x-forwarded-for": f"10.0.0.{number}"}).status_code
            for number in range(6)
        ]
        assert 429 in spoofed, "a header does not make another address"
        assert client.get("/", auth=READER).status_code == 200
    assert "guess" not in caplog.text
    assert "login from 127.0.0.1 refused" in caplog.text
    assert "login from 127.0.0.1 not looked at" in caplog.text


def test_a_new_password_file_and_a_new_certificate_count_at_once(
    site: SampleSite, tmp_path: Path, authority: Authority, page: Issued
) -> None:
    renewed = authority.issue("renewed")
    files = Issued(tmp_path / "page.pem", tmp_path / "page.key")
    for source, target in zip(page, files, strict=True):
        target.write_bytes(source.read_bytes())
    with guarded(site, authority, files) as client:
        assert client.get("/", auth=READER).status_code == 200
        write(site.folder / "users", {"other": cheap_user("another long password")})
        assert client.get("/", auth=READER).status_code == 401
        assert client.get("/", auth=("other", "another long password")).status_code == 200

        def shown(name: str | None) -> bytes | None:
            trust = ssl.create_default_context(cafile=str(authority.ca))
            trust.check_hostname = False
            with (
                socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=10) as connection,
                trust.wrap_socket(connection, server_hostname=name) as secured,
            ):
                return secured.getpeercert(binary_form=True)

        before = shown(None)
        for source, target in zip(renewed, files, strict=True):
            target.write_bytes(source.read_bytes())
        assert shown(None) == shown("localhost") != before
        files.key.write_text("broken")
        assert shown(None) not in (None, before)


def test_a_plain_request_gets_no_page(site: SampleSite, authority: Authority, page: Issued) -> None:
    with guarded(site, authority, page) as client, pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{client.base_url.port}/healthz", timeout=10)


def test_silent_and_dripping_connections_keep_nobody_out(site: SampleSite, authority: Authority, page: Issued) -> None:
    with guarded(site, authority, page) as client:
        address = ("127.0.0.1", client.base_url.port or 0)
        silent = [socket.create_connection(address, timeout=10) for _ in range(20)]
        silent[0].sendall(b"\x16\x03\x01\x02")
        assert client.get("/", auth=READER).status_code == 200
        for connection in silent:
            connection.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [("reader:secret", "line 1 is no entry"), ("reader:$scrypt$ln=40,r=8,p=5$AAAA$AAAA", "line 1 is no entry")],
)
def test_a_file_of_users_that_cannot_be_used_ends_the_start(
    site: SampleSite, page: Issued, line: str, said: str
) -> None:
    (site.folder / "users").write_text(line)
    web = WebSettings.model_validate({"port": 0, "tls": page.settings(), "users": site.folder / "users"})
    with pytest.raises(SettingsInvalid, match=said) as caught:
        serve(site.settings.model_copy(update={"web": web}), site.ledger)
    assert "secret" not in str(caught.value)


def test_a_name_that_nobody_has_takes_as_long_as_a_wrong_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "users", {"reader": cheap_user("a long enough password")})
    users = PasswordFile("web.users", tmp_path / "users")
    costs: list[tuple[int, int, int]] = []

    def computed(self: PasswordHash, password: bytes) -> bytes:
        costs.append((self.log2_n, self.r, self.p))
        return password

    monkeypatch.setattr(PasswordHash, "computed", computed)
    write(tmp_path / "users", {"reader": User(PasswordHash.of("a long enough password"))})
    costs.clear()
    assert users.verify("reader", b"wrong", "10.0.0.1") is PasswordCheck.WRONG
    assert users.verify("nobody", b"wrong", "10.0.0.1") is PasswordCheck.WRONG
    assert users.verify("nobody", b"", "10.0.0.1") is PasswordCheck.WRONG
    assert len(set(costs)) == 1
    assert users.verify("reader", b"a long enough password", "10.0.0.1") is PasswordCheck.RIGHT
    assert users.verify("reader", b"a long enough password", "10.0.0.1") is PasswordCheck.RIGHT
    assert len(costs) == 4, "the right one is remembered"


def test_pauses_double_end_and_are_forgotten(tmp_path: Path) -> None:
    now = 0.0
    write(tmp_path / "users", {"reader": cheap_user("a long enough password")})
    users = PasswordFile("web.users", tmp_path / "users", clock=lambda: now)

    def guess(peer: str = "10.0.0.1") -> PasswordCheck:
        return users.verify("reader", b"guess", peer)

    assert [guess() for _ in range(6)] == [PasswordCheck.WRONG] * 5 + [PasswordCheck.PAUSED]
    assert guess("10.0.0.2") is PasswordCheck.WRONG, "another address waits for nobody"
    pauses = []
    for _ in range(9):
        start = now
        while guess() is PasswordCheck.PAUSED:
            now += 0.5
        pauses.append(now - start)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert users.verify("reader", b"a long enough password", "10.0.0.1") is PasswordCheck.PAUSED
    now += 60
    assert users.verify("reader", b"a long enough password", "10.0.0.1") is PasswordCheck.RIGHT
    assert guess() is PasswordCheck.WRONG


def test_the_file_holds_what_was_written_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    write(tmp_path / "users", {"reader": User(PasswordHash.of("a long enough password"))})
    text = (tmp_path / "users").read_text()

    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o600
    assert text.startswith("reader:$scrypt$ln=14,r=8,p=5$")
    assert "long enough" not in text
    assert str(read(tmp_path / "users", "x")["reader"]) == text.strip().partition(":")[2]
    assert list(tmp_path.iterdir()) == [tmp_path / "users"]


def test_scrypt_is_the_one_of_rfc_7914() -> None:
    # RFC 7914 section 12, the second vector.
    known = PasswordHash(b"NaCl", b"", log2_n=10, r=8, p=16)
    assert known.computed(b"password").hex() == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"


def test_logins_and_refusals_are_in_the_audit_trail_once_and_no_typed_name_is(
    site: SampleSite, authority: Authority, page: Issued
) -> None:
    with guarded(site, authority, page) as client:
        for _ in range(3):
            assert client.get("/", auth=READER).status_code == 200
            assert client.get("/", auth=("my secret", "typed into the wrong field")).status_code == 401
    content = site.settings.audit_file.read_bytes()
    messages = [etree.fromstring(line) for line in content.splitlines()]
    for message in messages:
        GRAMMAR.assertValid(message)
    told = [
        (message.find("ActiveParticipant").get("UserID"), message[0].get("EventOutcomeIndicator"))
        for message in messages
        if message.find("*/EventID").get("csd-code") == "110114"
    ]
    assert told == [("reader", "0"), ("(not known)", "4")]
    assert messages[0].find(".//ActiveParticipant").get("NetworkAccessPointID") == "127.0.0.1"
    assert b"my secret" not in content


def test_who_looked_at_whose_images_is_in_the_audit_trail_once_a_patient(
    site: SampleSite, authority: Authority, page: Issued
) -> None:
    anna, berta = site.receive(patient_name="Ames^Anna"), site.receive(patient_name="Brown^Berta")
    with guarded(site, authority, page) as client:
        for path in ("/", "/api/worklist", "/api/status", "/metrics"):
            assert client.get(path, auth=READER).status_code == 200
        for path in ("/studies/{0}", "/api/studies/{0}", "/studies/{0}"):
            assert client.get(path.format(anna.StudyInstanceUID), auth=READER).status_code == 200
        for dataset in (anna, berta, berta):
            assert client.get(f"/instances/{dataset.SOPInstanceUID}.png", auth=READER).status_code == 200
        assert client.get(f"/studies/{berta.StudyInstanceUID}").status_code == 401
        assert client.get("/studies/1.2.3", auth=READER).status_code == 404
    messages = [etree.fromstring(line) for line in site.settings.audit_file.read_bytes().splitlines()]
    for message in messages:
        GRAMMAR.assertValid(message)
    looks = [message for message in messages if message.find("*/EventID").get("csd-code") == "110103"]
    assert [look[0].get("EventActionCode") for look in looks] == ["R", "R"]
    for look, dataset in zip(looks, (anna, berta), strict=True):
        study, patient = look.findall("ParticipantObjectIdentification")
        assert look.find("ActiveParticipant").get("UserID") == READER[0]
        assert study.get("ParticipantObjectID") == dataset.StudyInstanceUID
        assert [item.get("UID") for item in study.iter("Instance")] == [dataset.SOPInstanceUID]
        assert patient.get("ParticipantObjectID") == dataset.PatientID
        assert patient.findtext("ParticipantObjectName") == dataset.PatientName


def test_a_look_at_a_heat_map_without_a_login_is_a_look_at_its_image_by_nobody_known(
    site: SampleSite, client: httpx.Client
) -> None:
    dataset = site.receive(patient_name="Ames^Anna")
    site.infer(0.9)
    site.report("pacs")
    history = site.ledger.inspection.history(dataset.StudyInstanceUID)
    assert history is not None
    (heat_map,) = [report.sop_instance_uid for report in history.reports if report.kind == "secondary_capture"]
    assert client.get(f"/reports/{heat_map}.png").status_code == 200
    (message,) = [etree.fromstring(line) for line in site.settings.audit_file.read_bytes().splitlines()]
    GRAMMAR.assertValid(message)
    assert message.find("ActiveParticipant").get("UserID") == "(not known)"
    assert [item.get("UID") for item in message.iter("Instance")] == [dataset.SOPInstanceUID]


def test_who_looked_at_which_list_is_in_the_audit_trail_once_without_the_name_that_was_searched(
    site: SampleSite, client: httpx.Client
) -> None:
    site.receive(patient_name="Ames^Anna")
    for path in ("/", "/?live=1", "/?show=read&q=Ames", "/?show=read&q=Other", "/api/worklist?answer=positive"):
        assert client.get(path).status_code == 200
    for _ in range(2):
        with client.stream("GET", "/events") as stream:
            assert stream.status_code == 200
    content = site.settings.audit_file.read_bytes()
    messages = [etree.fromstring(line) for line in content.splitlines()]
    for message in messages:
        GRAMMAR.assertValid(message)
    lists = [message for message in messages if message.find("*/EventID").get("csd-code") == "110112"]
    asked = [message.find("ParticipantObjectIdentification") for message in lists]
    queries = [base64.b64decode(one.findtext("ParticipantObjectQuery") or "").decode() for one in asked]
    assert list(zip((one.get("ParticipantObjectID") for one in asked), queries, strict=True)) == [
        ("/", ""),
        ("/", "show=read&q=%28text%29"),
        ("/api/worklist", "answer=positive"),
        ("/events", ""),
    ]
    assert b"Ames" not in content
