"""Buckets of a real server, and a wire to it that fails on command."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import boto3

from service.settings import StoreSettings
from tests.relay import Relay

#: What the tests' server takes; real credentials never stand in a test.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_DEFAULT_REGION": "us-east-1"}


def client(url: str) -> Any:
    """Return a client that looks into the server beside the store."""
    session = boto3.session.Session("test", "test-secret", region_name="us-east-1")
    return session.client("s3", endpoint_url=url)


def new_bucket(url: str, **changes: Any) -> StoreSettings:
    """Make a bucket; return the settings of a store in it."""
    name = f"auscult-{secrets.token_hex(6)}"
    made = client(url)
    made.create_bucket(Bucket=name)
    made.close()
    return StoreSettings(url=f"s3://{name}/chest", endpoint=url, path_style=True, **changes)


def names(store: StoreSettings) -> set[str]:
    """Return the names of what a bucket holds, as its server tells it."""
    beside = client(str(store.endpoint))
    pages = beside.get_paginator("list_objects_v2").paginate(Bucket=store.bucket)
    found = {item["Key"].rpartition("/")[2] for page in pages for item in page.get("Contents", [])}
    beside.close()
    return found


class Wire(Relay):
    """A TCP proxy to a server, on a port of its own.

    Attributes
    ----------
    delay
        Seconds before each piece that goes to the server.
    cut_after
        Bytes from a client after which the connection breaks; None never.
    cut_answers_after
        The same of bytes from the server.
    flips
        How many connections have a byte of what they send changed, once it is past the headers.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.delay, self.flips = 0.0, 0
        self.cut_after: int | None = None
        self.cut_answers_after: int | None = None
        super().__init__((str(parts.hostname), parts.port or 80))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _to_server(self, near: socket.socket, far: socket.socket) -> None:
        sent = 0
        with suppress(OSError):
            while piece := bytearray(near.recv(8192)):
                time.sleep(self.delay)
                sent += len(piece)
                if self.cut_after is not None and sent > self.cut_after:
                    break
                if self.flips and sent > 16384:
                    self.flips -= 1
                    piece[-1] ^= 1
                far.sendall(piece)
        self._hang_up(near, far)

    def _to_client(self, far: socket.socket, near: socket.socket) -> None:
        sent = 0
        with suppress(OSError):
            while piece := far.recv(8192):
                sent += len(piece)
                if self.cut_answers_after is not None and sent > self.cut_answers_after:
                    break
                near.sendall(piece)
        self._hang_up(near, far)


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """Open a wire to a server."""
    made = Wire(url)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def credentials() -> Iterator[None]:
    """Set the variables that the standard chain reads."""
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
