"""`auscult password`: it takes passwords from standard input alone, and keeps none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from service.security.passwords import PasswordCheck, PasswordFile, read
from service.settings import load
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.roles import Role
from tests.service.audit.alerts import alerts

Auscult = Callable[..., Result]


def test_a_password_is_set_changed_and_removed(auscult: Auscult, tmp_path: Path) -> None:
    file = tmp_path / "users"
    for name, password in (("anna", "correct horse battery"), ("bea", "b" * 12), ("anna", "another long one")):
        result = auscult("password", name, "--file", str(file), input=f"{password}\n")
        assert result.exit_code == 0, result.output
        assert password not in result.output
    assert PasswordFile("web.users", file).verify("anna", b"another long one", "10.0.0.1") is PasswordCheck.RIGHT
    assert list(read(file, "web.users")) == ["anna", "bea"]
    assert auscult("password", "anna", "--file", str(file), "--remove").exit_code == 0
    assert list(read(file, "web.users")) == ["bea"]


def test_roles_stand_in_the_line_and_stay_when_the_password_changes(auscult: Auscult, tmp_path: Path) -> None:
    file = tmp_path / "users"
    roles = ["--role", "administrator", "--role", "radiologist"]
    for more in (roles, []):
        assert auscult("password", "anna", "--file", str(file), *more, input="correct horse battery\n").exit_code == 0
        assert file.read_text().endswith(":administrator,radiologist\n")
    anna = PasswordFile("web.users", file).person("anna")
    assert [anna.may(role) for role in Role] == [True, True, True]
    assert auscult("password", "bea", "--file", str(file), input="correct horse battery\n").exit_code == 0
    assert PasswordFile("web.users", file).person("bea").roles == {Role.READER}
    assert file.read_text().splitlines()[-1].count(":") == 1, "a reader's line is what an older version reads too"
    file.write_text(file.read_text().replace("administrator", "director"))
    with pytest.raises(SettingsInvalid, match="line 1 names a role that there is not"):
        read(file, "web.users")


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["anna"], "short\n", "fewer than 12 characters"),
        (["an:na"], "correct horse battery\n", "no colon"),
        (["anna", "--remove"], "", "holds no such name"),
    ],
)
def test_what_cannot_be_is_said(auscult: Auscult, tmp_path: Path, arguments: list[str], typed: str, said: str) -> None:
    result = auscult("password", *arguments, "--file", str(tmp_path / "users"), input=typed)
    assert isinstance(result.exception, SettingsInvalid)
    assert said in str(result.exception)
    assert not (tmp_path / "users").exists()


def test_the_file_of_the_settings_is_the_default(
    auscult: Auscult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "name the file with --file" in str(auscult("password", "anna", input="correct horse battery\n").exception)
    monkeypatch.setenv("AUSCULT_WEB__USERS", str(tmp_path / "users"))
    monkeypatch.setenv("AUSCULT_DATA_DIR", str(tmp_path))
    assert auscult("password", "anna", input="correct horse battery\n").exit_code == 0
    assert alerts(load()) == [("110137", "the password of anna was set")]
    assert list(read(tmp_path / "users", "web.users")) == ["anna"]
