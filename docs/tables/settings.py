"""Every setting, from the models that check it."""

import json
from collections.abc import Callable, Iterator
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from service.settings import DestinationSettings, DicomwebSettings, PeerSettings, SenderSettings, Settings
from service.settings.nodes import ReportDestinationSettings
from service.settings.receivers import (
    FhirSettings,
    Hl7Settings,
    ReceiverSettings,
    UpsRsSettings,
    UpsSettings,
    WebhookSettings,
)

#: The tables `[[receivers]]`, one for each `channel`.
CHANNELS: tuple[type[BaseModel], ...] = (Hl7Settings, WebhookSettings, FhirSettings, UpsSettings, UpsRsSettings)


def sections() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Yield each table of the settings file: its name, its model, and its variables' beginning."""
    for name, model in tables(Settings):
        yield from _with_tables_within(name, model, f"AUSCULT_{name.upper()}__")
    yield from _with_tables_within("destinations", DestinationSettings, "")
    yield from _with_tables_within("destinations", DicomwebSettings, "")
    yield from _with_tables_within("peers", PeerSettings, "")
    yield "web.senders", SenderSettings, ""
    yield "receivers", ReceiverSettings, ""
    for model in CHANNELS:
        yield from _with_tables_within("receivers", model, "")


def tables(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the fields of a model that are tables themselves, and their models."""
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if get_origin(field.annotation) is not tuple and isinstance(kind, type) and issubclass(kind, BaseModel):
                yield name, kind


def _lists_of_tables(model: type[BaseModel]) -> Iterator[str]:
    """Yield the fields of a model that are lists of tables, each of which has a heading of its own."""
    for name, field in model.model_fields.items():
        kinds = get_args(field.annotation) if get_origin(field.annotation) is tuple else ()
        if any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds):
            yield name


def _with_tables_within(name: str, model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel], str]]:
    yield name, model, prefix
    for inner, kind in tables(model):
        yield f"{name}.{inner}", kind, f"{prefix}{inner.upper()}__" if prefix else ""


def top_level() -> Iterator[str]:
    """Yield the settings that stand in no table."""
    inner = {name for name, _ in tables(Settings)} | {"destinations", "peers", "receivers"}
    return (name for name in Settings.model_fields if name not in inner)


def setting_names() -> list[str]:
    """Return the full name of every setting."""
    return [*top_level(), *(f"{section}.{name}" for section, model, _ in sections() for name in _fields(model))]


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table that are no tables; of a channel's those that not all receivers have."""
    inner = {name for name, _ in tables(model)} | set(_lists_of_tables(model))
    if model in CHANNELS:
        inner |= set(ReceiverSettings.model_fields)
    if model is DicomwebSettings:
        inner |= set(ReportDestinationSettings.model_fields)
    return {name: field for name, field in model.model_fields.items() if name not in inner}


def settings() -> str:
    """Return a heading for each setting, with its description, variable, values and default."""
    schema = Settings.model_json_schema()
    parts = [
        _setting(name, f"AUSCULT_{name.upper()}", Settings.model_fields[name], schema["properties"][name], schema)
        for name in top_level()
    ]
    for section, model, prefix in sections():
        schema = model.model_json_schema()
        properties = schema["properties"]
        parts.append(f"## `{section}`\n\n{(model.__doc__ or '').strip()}")
        for name, field in _fields(model).items():
            variable = f"{prefix}{name.upper()}" if prefix else None
            parts.append(_setting(f"{section}.{name}", variable, field, properties[name], schema))
    return "\n\n".join(parts)


def _setting(
    name: str, variable: str | None, field: FieldInfo, properties: dict[str, Any], schema: dict[str, Any]
) -> str:
    values = _values(properties, schema)
    about = [
        f"`{variable}`" if variable else "",
        values if variable else values[:1].upper() + values[1:],
        _default(field),
    ]
    return f"### `{name}`\n\n{field.description}\n\n{' · '.join(part for part in about if part)}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
    if value is None or NoneType in get_args(value):
        return "no default"
    if isinstance(value, tuple | frozenset):
        items = [item.value if isinstance(item, Enum) else item for item in value]
        return f"default `{sorted(items) if isinstance(value, frozenset) else items!r}`".replace("'", '"')
    if isinstance(value, bool):
        return f"default `{str(value).lower()}`"
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {json.dumps(item)}" for key, item in value.items())
        return f"default `{{ {pairs} }}`" if pairs else "default `{}`"
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
    return f"default `{text}`" if text else "empty by default"


def _values(properties: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return what values a setting takes, in words."""
    if "$ref" in properties:
        return _values(schema["$defs"][properties["$ref"].rpartition("/")[2]], schema)
    choices = [item for item in properties.get("anyOf", []) if item.get("type") != "null"]
    if choices:
        return " or ".join(dict.fromkeys(_values(item, schema) for item in choices))
    if "enum" in properties:
        return ", ".join(f"`{value}`" for value in properties["enum"])
    words: dict[str, Callable[[], str]] = {
        "array": lambda: f"list of: {_values(properties['items'], schema)}",
        "object": lambda: f"table of: {_values(properties['additionalProperties'], schema)}",
        "integer": lambda: f"whole number{_range(properties)}",
        "number": lambda: f"number{_range(properties)}",
        "boolean": lambda: "`true` or `false`",
        "string": lambda: _text(properties),
    }
    return words[properties["type"]]()


def _text(properties: dict[str, Any]) -> str:
    formats = {"path": "path", "ipv4network": "IPv4 network", "ipv6network": "IPv6 network"}
    text = formats.get(properties.get("format", ""), "text")
    return f"{text} of at most {properties['maxLength']} characters" if "maxLength" in properties else text


def _range(properties: dict[str, Any]) -> str:
    words = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    limits = [f"{text} {properties[key]:g}" for key, text in words.items() if key in properties]
    return " " + ", ".join(limits) if limits else ""
