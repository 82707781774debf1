"""What all processes stand on: queue, database, sweep, liveness and log."""

from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from service.settings.kinds import Seconds, Section
from service.settings.secret_files import read_password, with_password


class QueueSettings(Section):
    """How workers are woken (`[queue]`)."""

    url: SecretStr = Field(
        SecretStr("local"),
        description="`local` (named pipes beside the ledger) or a Redis URL for Celery, `redis://host:6379/0`; over"
        " TLS `rediss://host:6379/0?ssl_ca_certs=FILE`, and `&ssl_certfile=FILE&ssl_keyfile=FILE` where Redis asks for"
        " our certificate. Redis' own is always checked, by name too.",
    )
    password_file: Path | None = Field(
        None, description="File whose first line is Redis' password; so that it need not stand in the URL."
    )

    @field_validator("url")
    @classmethod
    def _is_local_or_redis(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() != "local" and not value.get_secret_value().startswith(
            ("redis://", "rediss://", "unix://")
        ):
            raise ValueError("is neither `local` nor a Redis URL; write redis://HOST:PORT/NUMBER")
        return value

    @field_validator("url")
    @classmethod
    def _checks_the_certificate(cls, value: SecretStr) -> SecretStr:
        """Have every client check Redis' certificate: left to itself, Celery's checks none and redis-py's does."""
        parts = urlsplit(value.get_secret_value())
        if parts.scheme != "rediss":
            return value
        asked = parse_qs(parts.query).get("ssl_cert_reqs")
        if asked is None:
            query = "&".join(filter(None, (parts.query, "ssl_cert_reqs=required")))
            return SecretStr(parts._replace(query=query).geturl())
        if asked != ["required"]:
            raise ValueError(
                "leaves Redis' certificate unchecked by its ssl_cert_reqs; leave that out, and name the file of the"
                " authority, or of the certificate itself, in ssl_ca_certs"
            )
        return value

    @model_validator(mode="after")
    def _password_can_be_read(self) -> "QueueSettings":
        _ = self.address
        return self

    @property
    def address(self) -> SecretStr:
        """The URL with the password."""
        return self.url if self.password_file is None else with_password(self.url, read_password(self.password_file))

    @property
    def is_local(self) -> bool:
        """Whether workers are woken without a broker."""
        return self.url.get_secret_value() == "local"


class DatabaseSettings(Section):
    """The ledger's database (`[database]`)."""

    url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL, `postgresql+psycopg://user:password@host/name`; SQLite in `data_dir` when absent."
        " Over TLS with `?sslmode=verify-full&sslrootcert=FILE`, and `&sslcert=FILE&sslkey=FILE` where the server asks"
        " for our certificate. Any other parameter of libpq goes the same way.",
    )
    password_file: Path | None = Field(
        None, description="File whose first line is the user's password; so that it need not stand in the URL."
    )

    @field_validator("url")
    @classmethod
    def _is_supported(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("is neither sqlite:/// nor postgresql+psycopg://; other databases are not supported")
        return value

    @model_validator(mode="after")
    def _password_can_be_read(self) -> "DatabaseSettings":
        _ = self.address
        return self

    @property
    def address(self) -> SecretStr | None:
        """The URL with the password; None for SQLite in `data_dir`."""
        if self.password_file is None:
            return self.url
        return with_password(self.url or SecretStr(""), read_password(self.password_file))


class SweepSettings(Section):
    """The sweeper (`[sweep]`)."""

    interval: Seconds = Field(10.0, description="Seconds between two sweeps.")
    incomplete_after: Seconds = Field(3600.0, description="Seconds after which a half-received file is removed.")


class LivenessSettings(Section):
    """How a process that hangs is found out (`[liveness]`)."""

    stalled_after: Seconds = Field(
        300.0,
        description="Seconds without progress, while work waits in the ledger, after which a worker ends itself; "
        "what started it starts it again.",
    )
    folder: Path | None = Field(
        None,
        description="Folder of the files that `auscult alive` looks at; `data_dir/alive` when absent.",
    )


class LogSettings(Section):
    """Log lines (`[log]`); they never hold patient data."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is written."
    )
    style: Literal["text", "json"] = Field("text", description="`text` for a terminal, `json` for a log collector.")
