"""`auscult token` and `auscult logout`: what programs get, once, and what ends at once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from service.operations.bootstrap import open_ledger
from service.settings import load
from service.vocabulary.errors import AuscultError
from service.vocabulary.roles import Role, SignInWay
from tests.service.audit.alerts import alerts

Auscult = Callable[..., Result]


@pytest.fixture(autouse=True)
def site(auscult: Auscult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUSCULT_DATA_DIR", str(tmp_path / "data"))
    assert auscult("db", "upgrade").exit_code == 0


def test_a_token_is_printed_once_listed_without_and_revoked(auscult: Auscult) -> None:
    made = auscult("token", "create", "ris bridge", "--role", "administrator", "--days", "30")
    token = made.stdout.strip()
    tokens = open_ledger(load()).api_tokens
    found = tokens.find(token)
    assert found is not None
    assert found.roles == {Role.ADMINISTRATOR}
    assert (found.expires_at - found.created_at).days == 30
    listed = auscult("token", "list").output
    assert "ris bridge" in listed
    assert token not in listed
    assert auscult("token", "revoke", "1").exit_code == 0
    assert tokens.find(token) is None
    assert "revoked" in auscult("token", "list").output
    assert isinstance(auscult("token", "revoke", "1").exception, AuscultError)
    assert isinstance(auscult("token", "create", "a\nb").exception, AuscultError)
    assert alerts(load()) == [
        ("110137", "a token was made for ris bridge: administrator, 30 days"),
        ("110137", "token 1 was revoked"),
    ]


def test_a_person_s_sessions_end_on_command(auscult: Auscult) -> None:
    sign_ins = open_ledger(load()).sign_ins
    token = sign_ins.begin("anna", frozenset({Role.READER}), SignInWay.OIDC)
    assert "one session of anna has ended" in auscult("logout", "anna").output
    assert sign_ins.find(token, is_use=True) is None
    assert "0 sessions" in auscult("logout", "anna").output
    assert alerts(load()) == [("110137", "all sessions of anna were ended (1)")]
