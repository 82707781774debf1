"""Settings: a wrong one is named with its remedy, and a secret is never shown."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.settings import Settings, load
from service.vocabulary.errors import SettingsInvalid
from tests.invariants import Invariant


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_default_is_valid() -> None:
    assert load() == Settings()


def test_a_variable_wins_over_the_file_and_the_caller_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "auscult.toml").write_text("[listener]\nport = 1001\nae_title = 'FILE'\n[web]\nport = 1002\n")
    monkeypatch.setenv("AUSCULT_LISTENER__PORT", "2001")
    settings = load(web={"port": 3002})

    assert (settings.listener.port, settings.listener.ae_title, settings.web.port) == (2001, "FILE", 3002)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AUSCULT_LISTENER__PORT", "70000", "listener.port = '70000'"),
        ("AUSCULT_LISTENER__PROT", "1", "listener.prot: there is no such setting"),
        ("AUSCULT_LISTNER__PORT", "1", "AUSCULT_LISTNER__PORT: there is no such setting"),
        ("AUSCULT_LISTENER__AE_TITLE", "A TITLE THAT IS TOO LONG", "listener.ae_title"),
        ("AUSCULT_LISTENER__AE_TITLE", " ", "listener.ae_title"),
        ("AUSCULT_ANALYSIS__EXPECTED_PREVALENCE", "1.5", "analysis.expected_prevalence"),
        (
            "AUSCULT_WEB__HOST",
            "0.0.0.0",
            "set web.tls.certificate, web.users (or web.proxy or web.oidc), web.names, or listen on 127.0.0.1",
        ),
        ("AUSCULT_WEB__HOST", "worklist.hospital.example", "is beyond this machine"),
        ("AUSCULT_LISTENER__TLS__ONLY", "true", "TLS is configured without a certificate"),
        ("AUSCULT_LISTENER__TLS__CERTIFICATE", "a.pem", "certificate and key go together"),
        ("AUSCULT_LISTENER__USERS", "users", "passcodes would cross the network in the clear"),
        ("AUSCULT_WORKLIST__STAT_BOOST_MINUTES", "5", "stat_boost_minutes is below urgent_boost_minutes"),
        ("AUSCULT_DATABASE__URL", "mysql://root:geheim@db/x", "database.url = (not shown)"),
        ("AUSCULT_QUEUE__URL", "amqp://u:geheim@q", "queue.url = (not shown)"),
        ("AUSCULT_DESTINATIONS", "not JSON", "a variable does not hold valid JSON"),
    ],
)
def test_a_wrong_setting_is_named_and_a_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid) as caught:
        load()

    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_not_toml_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "auscult.toml").write_text("[listener\n")

    with pytest.raises(SettingsInvalid, match="not valid TOML"):
        load()


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_CONFIG", "absent.toml")

    with pytest.raises(SettingsInvalid, match=r"no file at absent\.toml"):
        load()


def test_two_destinations_need_two_names(tmp_path: Path) -> None:
    one = '[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "h"\nport = 104\n'
    (tmp_path / "auscult.toml").write_text(one + one)

    with pytest.raises(SettingsInvalid, match="two destinations have the same name"):
        load()


def test_a_destination_is_called_by_the_listeners_ae_title_unless_it_names_another() -> None:
    pacs = {"name": "pacs", "ae_title": "PACS", "host": "h", "port": 104}
    settings = load(destinations=[pacs, {**pacs, "name": "b", "calling_ae_title": "OTHER"}])

    assert [settings.calling_ae_title(destination) for destination in settings.destinations] == ["AUSCULT", "OTHER"]


@pytest.mark.proves(Invariant.NOBODY_IN_BY_A_BROKEN_CHECK)
@pytest.mark.parametrize("missing", ["tls", "users", "names"])
def test_the_page_listens_beyond_this_machine_only_with_tls_a_login_and_a_name(missing: str) -> None:
    tls = {"certificate": "web.pem", "key": "web.key"}
    complete = {"host": "10.1.2.3", "tls": tls, "users": "users", "names": ["worklist.example"]}
    assert not load(web=complete).web.is_loopback
    with pytest.raises(SettingsInvalid, match=f"set web.{missing}"):
        load(web={name: value for name, value in complete.items() if name != missing})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_the_page_listens_on_this_machine_without_any(host: str) -> None:
    assert load(web={"host": host}).web.is_loopback


def test_a_setting_that_is_missing_in_a_table_within_a_table_is_told_with_what_it_is_for() -> None:
    pacs = {"name": "pacs", "ae_title": "PACS", "host": "h", "port": 2762, "tls": {}}
    with pytest.raises(
        SettingsInvalid, match=r"destinations\.0\.tls\.ca: is not set .* authorities that its certificate"
    ):
        load(destinations=[pacs])


def test_a_listener_that_asks_for_certificates_names_who_issues_them() -> None:
    with pytest.raises(SettingsInvalid, match=r"set listener\.tls\.ca"):
        load(listener={"tls": {"certificate": "a.pem", "key": "a.key"}})


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("rediss://queue:6379/0", "rediss://queue:6379/0?ssl_cert_reqs=required"),
        ("rediss://q/0?ssl_ca_certs=/a/ca.pem", "rediss://q/0?ssl_ca_certs=/a/ca.pem&ssl_cert_reqs=required"),
        ("rediss://queue/0?ssl_cert_reqs=required", "rediss://queue/0?ssl_cert_reqs=required"),
        ("redis://queue:6379/0", "redis://queue:6379/0"),
    ],
)
def test_every_client_of_the_queue_checks_its_certificate(written: str, used: str) -> None:
    assert load(queue={"url": written}).queue.address.get_secret_value() == used


@pytest.mark.parametrize("asked", ["none", "optional", "CERT_NONE", "required&ssl_cert_reqs=none"])
def test_a_queue_whose_certificate_nobody_checks_is_refused(asked: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"queue\.url.*ssl_ca_certs"):
        load(queue={"url": f"rediss://:geheim@queue:6379/0?ssl_cert_reqs={asked}"})


def test_secrets_are_hidden_in_the_settings_text() -> None:
    settings = load(database={"url": "postgresql+psycopg://u:geheim@db/x"})

    assert "geheim" not in repr(settings)
    assert settings.database_url == "postgresql+psycopg://u:geheim@db/x"


def test_passwords_can_lie_in_files_of_their_own(tmp_path: Path) -> None:
    for name, password in (("db", "ge/heim@ü"), ("redis", "auch geheim")):
        (tmp_path / name).write_text(f"{password}\n")
    settings = load(
        database={"url": "postgresql+psycopg://auscult@db:5432/x", "password_file": tmp_path / "db"},
        queue={"url": "redis://queue:6379/0", "password_file": tmp_path / "redis"},
    )

    assert make_url(settings.database_url).password == "ge/heim@ü"
    assert (make_url(settings.database_url).username, make_url(settings.database_url).port) == ("auscult", 5432)
    assert settings.queue.address.get_secret_value() == "redis://:auch%20geheim@queue:6379/0"
    assert "geheim" not in repr(settings)
    assert "heim" not in str(settings.model_dump())


@pytest.mark.parametrize(
    ("table", "content", "said"),
    [
        ({"url": "postgresql+psycopg://u@db/x"}, None, "cannot be read (No such file or directory)"),
        ({"url": "postgresql+psycopg://u@db/x"}, "", "is empty"),
        ({"url": "postgresql+psycopg://u:geheim@db/x"}, "geheim", "leave one of them out"),
        ({}, "geheim", "belongs to a `url` with a host"),
    ],
)
def test_a_password_file_that_cannot_be_used_is_named_and_never_quoted(
    tmp_path: Path, table: dict[str, str], content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    with pytest.raises(SettingsInvalid) as caught:
        load(database={**table, "password_file": tmp_path / "secret"})

    assert said in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_settings_file_of_another_user_is_refused_with_its_mode_and_its_owner() -> None:
    # Not below pytest's own folder, which only its user may enter.
    with tempfile.TemporaryDirectory() as folder:
        _require_telling_refusals(Path(folder))


def _require_telling_refusals(folder: Path) -> None:
    folder.chmod(0o755)
    file = folder / "auscult.toml"
    file.write_text("")
    file.chmod(0o600)
    # The interpreter itself may lie where only root may look: what it needs is imported before.
    code = """
import os, tomllib
from service.settings import load
from service.vocabulary.errors import SettingsInvalid
os.setuid(10001)
try:
    load()
except SettingsInvalid as error:
    print(error)
"""

    def said() -> str:
        environment = os.environ | {"AUSCULT_CONFIG": str(file), "AUSCULT_DATA_DIR": str(folder / "data")}
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout

    told = f"{file} cannot be read by user 10001: Permission denied (mode 0600, owner 0:0); chmod 644 {file}"
    assert told in said()
    folder.chmod(0o700)
    assert f"{file} cannot be reached by user 10001 (Permission denied)" in said()
