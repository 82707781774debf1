"""Read the settings, and say of each one that is wrong what is wrong and what it is for."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from service.settings.settings import Settings
from service.vocabulary.errors import SettingsInvalid


def load(**overrides: object) -> Settings:
    """Read and check the settings.

    Raises
    ------
    SettingsInvalid
        With a line for each setting that is wrong: its name, its value unless secret, what is wrong, what it is for.
    """
    _refuse_unknown_variables()
    try:
        _require_file()
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsInvalid("\n".join(_explain(error))) from None
    except SettingsError as error:
        # Its text names the field and the source, never the value.
        raise SettingsInvalid(f"a variable does not hold valid JSON: {error}") from None
    except ValueError as error:
        raise SettingsInvalid(f"the settings file is not valid TOML: {error}") from None
    except OSError as error:
        raise SettingsInvalid(_unreadable(error)) from None


def _require_file() -> None:
    """Refuse a settings file that was named and is not there."""
    named = os.environ.get("AUSCULT_CONFIG")
    if named is not None and not Path(named).is_file():
        raise SettingsInvalid(
            f"AUSCULT_CONFIG: no file at {named}; name an existing auscult.toml or unset the variable"
        )


def _unreadable(error: OSError) -> str:
    """Return why the settings file cannot be read, whose it is, and who reads it."""
    path, we = Path(error.filename or "auscult.toml").absolute(), f"user {os.geteuid()}"
    try:
        found = path.stat()
    except OSError as reason:
        return f"{path} cannot be reached by {we} ({reason.strerror}); let that user enter its folders: chmod a+x"
    mode, owner = stat.S_IMODE(found.st_mode), f"{found.st_uid}:{found.st_gid}"
    remedy = f"chmod 644 {path}, or give it to that user" if isinstance(error, PermissionError) else "look at the file"
    return f"{path} cannot be read by {we}: {error.strerror} (mode {mode:04o}, owner {owner}); {remedy}"


def _refuse_unknown_variables() -> None:
    """Refuse a variable that names no table: a misspelt one would leave the default in force, unnoticed."""
    prefix = str(Settings.model_config["env_prefix"])
    for variable in sorted(os.environ):
        table, separator, _ = variable.removeprefix(prefix).partition("__")
        if variable.startswith(prefix) and separator and table.lower() not in Settings.model_fields:
            raise SettingsInvalid(f"{variable}: there is no such setting; unset the variable or correct its name")


_SECRETS = ("url", "password", "secret", "token")


def _explain(error: ValidationError) -> list[str]:
    """Return a line for each wrong setting."""
    lines = ["the settings cannot be used:"]
    for item in error.errors():
        name, description = _described(item["loc"])
        secret = any(word in name.lower() for word in _SECRETS)
        value = "(not shown)" if secret else repr(item["input"])[:80]
        if item["type"] == "missing":
            lines.append(f"  {name}: is not set and has no default. {description}")
            continue
        if item["type"] == "extra_forbidden":
            lines.append(f"  {name}: there is no such setting; remove it or correct its name")
            continue
        # A table as a whole may hold a secret, and its names say enough.
        shown = name if isinstance(item["input"], dict) else f"{name} = {value}"
        lines.append(f"  {shown}: {item['msg'].removeprefix('Value error, ')}. {description}".rstrip())
    return lines


def _described(location: tuple[int | str, ...]) -> tuple[str, str]:
    """Return the name of the setting at a location, as a file has it, and its description or nothing."""
    models: list[type[BaseModel]] = [Settings]
    names, description = [], ""
    for part in location:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:
            description, models = fields[0].description or "", list(_models_in(fields[0].annotation))
        elif chosen := [model for model in models if part in get_args(_channel_of(model))]:
            # Which of several tables it is; nothing that stands in the file's names.
            models = chosen
            continue
        names.append(str(part))
    return ".".join(names), description


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the tables that an annotation names: one, those of a list, or one of several kinds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _channel_of(model: type[BaseModel]) -> object:
    field = model.model_fields.get("channel")
    return None if field is None else field.annotation
