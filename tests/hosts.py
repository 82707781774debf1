"""Hosts on one machine: each a network namespace with an address of its own, joined by a bridge. Linux, and root.

What runs in one reaches the others over links that can be cut and lose packets; who made the network reaches them all.
"""

import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Self

from tests.servers import find_program

_NEW_NETWORK, _NEW_NAME = 0x40000000, 0x04000000
#: Addresses that RFC 2544 sets aside for tests.
_NET = "198.18.{}.{}"
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = count()


def are_possible() -> bool:
    """Tell whether this machine can be made into several."""
    return os.geteuid() == 0 and all(find_program(name) for name in ("ip", "iptables"))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=20)


def _free_net() -> int:
    """Return which 256 addresses this machine has none of; two that look at once differ by their process id."""
    taken = subprocess.run(["ip", "-4", "address"], check=True, capture_output=True, text=True, timeout=20).stdout
    numbers = ((os.getpid() * 7 + number) % 256 for number in range(256))
    return next(number for number in numbers if _NET.format(number, "") not in taken)


def _move(descriptor: int) -> None:
    """Move this thread into a network namespace; what it opens and starts from then on is there."""
    if _libc.setns(descriptor, _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Host:
    """A host: its namespace, its address, and the end of its cable at the switch.

    Attributes
    ----------
    switch
        The namespace of the bridge.
    """

    name: str
    namespace: str
    address: str
    cable: str
    switch: str

    def enter(self) -> None:
        """Make this process, which has one thread, one of the host's for good, under the host's name."""
        if _libc.unshare(_NEW_NAME) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        socket.sethostname(self.name.replace(" ", "-"))
        with self._opened() as descriptor:
            _move(descriptor)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Be on the host within the block: the sockets, threads and programs that this thread begins are the host's."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            with self._opened() as descriptor:
                _move(descriptor)
            yield
        finally:
            _move(before)
            os.close(before)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def set_link(self, up: bool) -> None:
        """Pull the cable at the switch, or put it in again; the host's own end stays up."""
        _run("ip", "-n", self.switch, "link", "set", self.cable, "up" if up else "down")

    def drop(self, chain: str, *match: str) -> None:
        """Drop packets of a chain (INPUT, OUTPUT) that match, or all of them."""
        with self.inside():
            _run("iptables", "-A", chain, *match, "!", "-i" if chain == "INPUT" else "-o", "lo", "-j", "DROP")

    def drop_nothing(self) -> None:
        """Drop no packet any more."""
        with self.inside():
            _run("iptables", "-F")


class Network:
    """Hosts, the switch between them, and a cable from the switch to this machine."""

    def __init__(self) -> None:
        number = next(_numbers)
        self._tag = f"au{os.getpid():x}{number}"
        self._net = _free_net()
        self._made: list[str] = []
        self.hosts: dict[str, Host] = {}
        # The bridge is in a namespace of its own: the filters of this machine's, as an engine for containers sets them,
        # have no say in what goes over it.
        self._switch = self._namespace("s")
        _run("ip", "-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", self._switch, "link", "set", "bridge", "up")
        self.address = self._connect(None, 1)

    def _namespace(self, suffix: str) -> str:
        name = f"{self._tag}-{suffix}"
        _run("ip", "netns", "add", name)
        self._made.append(name)
        return name

    def _connect(self, namespace: str | None, number: int) -> str:
        """Lay a cable from a namespace, or from this machine, to the bridge; return the address of its end."""
        near, far, address = f"{self._tag}-{number}", f"cable{number}", _NET.format(self._net, number)
        within = [] if namespace is None else ["-n", namespace]
        _run("ip", *within, "link", "add", near, "type", "veth", "peer", "name", far, "netns", self._switch)
        _run("ip", "-n", self._switch, "link", "set", far, "master", "bridge", "up")
        _run("ip", *within, "address", "add", f"{address}/24", "dev", near)
        _run("ip", *within, "link", "set", near, "up")
        return address

    def add(self, name: str) -> Host:
        """Return a new host, connected."""
        number = len(self.hosts) + 2
        namespace = self._namespace(str(number))
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        address = self._connect(namespace, number)
        self.hosts[name] = Host(name, namespace, address, f"cable{number}", self._switch)
        return self.hosts[name]

    def close(self) -> None:
        """Take everything down."""
        for name in reversed(self._made):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
