"""`auscult doctor` on certificates, keys, authorities and users."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from service.cli import certificates
from service.security.passwords import write
from service.settings import CertificateAndKey, Settings, load
from tests.certificates import Authority, Issued
from tests.fakes import cheap_user
from tests.service.listening import listening


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def own(authority: Authority) -> Issued:
    return authority.issue("auscult")


def findings(settings: Settings) -> dict[str, tuple[bool, str]]:
    return {str(name): (passed, str(message)) for name, passed, message in certificates.certificates(settings)}


def with_listener(authority: Authority, issued: Issued, **more: Any) -> Settings:
    return load(listener={"tls": issued.settings() | {"ca": str(authority.ca)} | more})


def test_nothing_is_looked_at_where_nothing_is_configured() -> None:
    assert findings(load()) == {}


def test_sound_files_pass_with_the_day_they_end(authority: Authority, own: Issued, tmp_path: Path) -> None:
    write(tmp_path / "users", {"reader": cheap_user("a long enough password")})
    settings = load(
        listener={"tls": own.settings() | {"ca": str(authority.ca)}},
        web={"tls": own.settings(), "users": str(tmp_path / "users")},
        destinations=[
            {"name": "pacs", "ae_title": "P", "host": "h", "port": 104, "tls": {"ca": str(authority.ca)}},
        ],
    )
    found = findings(settings)
    assert set(found) == {
        "listener.tls.certificate",
        "listener.tls.ca",
        "web.tls.certificate",
        "destinations.tls of P.ca",
        "web.users",
    }
    assert all(passed for passed, _ in found.values()), found
    assert "CN=auscult" in found["listener.tls.certificate"][1]
    assert "is valid until 20" in found["listener.tls.certificate"][1]


@pytest.mark.parametrize(("days", "said"), [(-1, "expired on"), (12.5, "in 12 days"), (29.5, "no restart is needed")])
def test_a_certificate_that_has_ended_or_soon_will_is_found(authority: Authority, days: float, said: str) -> None:
    passed, message = findings(with_listener(authority, authority.issue("ending", days=days)))[
        "listener.tls.certificate"
    ]
    assert not passed
    assert said in message


def test_one_that_is_not_valid_yet_is_found(authority: Authority) -> None:
    passed, message = findings(with_listener(authority, authority.issue("future", days=3660)))[
        "listener.tls.certificate"
    ]
    assert not passed
    assert "check this machine's clock" in message


def test_a_list_of_revoked_certificates_that_soon_ends_is_found(authority: Authority, own: Issued) -> None:
    for path, is_sound, said in [
        (authority.revoke(name="sound"), True, "in force are the lists of "),
        (authority.revoke(name="ending", days=0.5), False, "its peers are refused afterwards"),
    ]:
        passed, message = findings(with_listener(authority, own, revocations=str(path)))["listener.tls.revocations"]
        assert passed == is_sound
        assert said in message


def test_files_that_do_not_belong_together_or_are_not_there_are_found(
    authority: Authority, own: Issued, tmp_path: Path
) -> None:
    other = authority.issue("other")
    for more, said in [
        ({"key": str(other.key)}, "does not belong to the certificate"),
        ({"ca": str(tmp_path / "absent")}, "cannot be read"),
    ]:
        passed, message = findings(with_listener(authority, own, **more))["listener.tls"]
        assert not passed
        assert said in message


def test_a_key_or_a_file_of_users_that_others_may_read_is_found(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue("open")
    issued.key.chmod(0o644)
    assert "chmod 600" in findings(with_listener(authority, issued))["listener.tls.key"][1]
    users = tmp_path / "users"
    for text, mode, said in [("", 0o600, "holds nobody"), ("x", 0o600, "line 1"), ("# none\n", 0o644, "chmod 600")]:
        users.write_text(text)
        users.chmod(mode)
        passed, message = findings(load(web={"users": str(users)}))["web.users"]
        assert not passed
        assert said in message


def test_our_own_listener_is_known_by_its_certificate(authority: Authority, own: Issued, tmp_path: Path) -> None:
    other = authority.issue("stranger")
    with listening(tmp_path, tls=own.settings() | {"ca": str(authority.ca), "port": 0}) as site:
        for issued, is_ours in ((own, True), (other, False)):
            pair = CertificateAndKey(certificate=issued.certificate, key=issued.key)
            assert certificates.shows_certificate("0.0.0.0", site.tls_port, pair) == is_ours
        assert not certificates.shows_certificate("127.0.0.1", site.port, pair)


def test_the_doctor_says_so(
    auscult: Callable[..., Result], authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = authority.issue("ended", days=-3)
    monkeypatch.chdir(tmp_path)
    settings = (
        f'[listener]\nport = 0\n[web]\nport = 0\n[web.tls]\ncertificate = "{ended.certificate}"\nkey = "{ended.key}"\n'
    )
    (tmp_path / "auscult.toml").write_text(settings)
    said = {finding["name"]: finding for finding in json.loads(auscult("doctor", "--json").output)}
    assert not said["web.tls.certificate"]["passed"]
    assert "put a new one in its place" in said["web.tls.certificate"]["message"]
