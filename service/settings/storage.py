"""Where objects are kept, and for how long."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from service.settings.kinds import Seconds, Section

Share = Annotated[float, Field(gt=0, le=1)]


class StoreSettings(Section):
    """The object store (`[store]`): received images and our reports.

    Credentials of a bucket are no settings: they come from the standard chain of the AWS libraries, which reads
    `AWS_SHARED_CREDENTIALS_FILE`, `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, and the machine's role.
    """

    url: str = Field(
        "local", description="`local` (a folder in `data_dir`), or an S3-compatible bucket, `s3://bucket/prefix`."
    )
    endpoint: str | None = Field(
        None, description="URL of the bucket's server, `https://s3.hospital.example`; Amazon's when absent."
    )
    region: str | None = Field(None, description="Region of the bucket; the one of the AWS libraries when absent.")
    path_style: bool = Field(
        False, description="Name the bucket in the path and not in the host name, as most servers on site need it."
    )
    encryption: Literal["none", "AES256", "aws:kms"] = Field(
        "none", description="Encryption that the server is asked for; `none` leaves it to the bucket's own default."
    )
    kms_key: str | None = Field(None, description="Key for `aws:kms`; the bucket's own when absent.")
    timeout: Annotated[float, Field(ge=0.1)] = Field(
        20.0, description="Seconds in which the bucket must take an object, tries included; 0xA700 afterwards."
    )

    @field_validator("url")
    @classmethod
    def _is_local_or_bucket(cls, value: str) -> str:
        parts = urlsplit(value)
        if value != "local" and (parts.scheme != "s3" or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("is neither `local` nor a bucket; write s3://BUCKET or s3://BUCKET/PREFIX")
        if parts.username or parts.password:
            raise ValueError("holds credentials; leave them to AWS_SHARED_CREDENTIALS_FILE or the machine's role")
        return value

    @property
    def is_local(self) -> bool:
        """Whether objects are files of this machine."""
        return self.url == "local"

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """What every key in the bucket begins with: empty, or ending in a slash."""
        path = urlsplit(self.url).path.strip("/")
        return f"{path}/" if path else ""


class RetentionSettings(Section):
    """When objects are removed (`[retention]`): never, unless one of the limits is set.

    Only what is settled goes: every report of the image is confirmed by its destination, or was taken by one that is
    not asked or cannot say, or none was due. The row in the ledger stays, with the result and the moment at which its
    bytes were removed.
    """

    after_days: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Days after its receipt at which a settled image goes, with its reports; never when absent."
    )
    high_watermark: Share | None = Field(
        None, description="Share of the disk, or of `quota_bytes`, above which settled images go, the oldest first."
    )
    low_watermark: Share = Field(0.8, description="Share at which that stops.")
    quota_bytes: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Bytes that the watermarks are shares of; needed for a bucket, which has no end of its own."
    )
    orphans_after: Annotated[float, Field(ge=3600)] = Field(
        604800.0, description="Seconds after which an object that no row of the ledger names is removed."
    )
    interval: Seconds = Field(600.0, description="Seconds between two looks of the sweeper at what may go.")

    @model_validator(mode="after")
    def _low_is_below_high(self) -> "RetentionSettings":
        if self.high_watermark is not None and self.low_watermark >= self.high_watermark:
            raise ValueError("low_watermark is not below high_watermark; lower it")
        return self
