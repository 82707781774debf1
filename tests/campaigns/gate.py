"""A TCP gate before a peer: passes everything on until it is told to refuse, to hang, to reset, or to vanish."""

import asyncio
import ctypes
import socket
import struct
import threading
from enum import StrEnum
from types import TracebackType
from typing import Self

from tests.servers import free_port

_LOOK_S = 0.02
_DELAY_S = 0.2
#: Linux's option that has a filter look at what comes for a socket, and a filter that passes nothing (BPF's `ret 0`).
_SO_ATTACH_FILTER = 26
_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))


class Mode(StrEnum):
    """What a gate does with connections."""

    PASS = "passes"
    REFUSE = "refuses"
    """Nothing listens, and connections that stand are reset."""
    HANG = "hangs"
    """Connections are accepted and nothing goes through; later it does, late."""
    RESET = "resets"
    """Connections are reset in the middle: at the next bytes that come."""
    DELAY = "delays"
    """Each piece that goes through waits for a moment before, as on a long way."""
    VANISH = "vanishes"
    """What comes is neither acknowledged nor refused, as of a host that lost its power; for good."""


class Gate:
    """A port before another one of 127.0.0.1.

    Parameters
    ----------
    behind
        The port that it leads to.
    address
        Where it listens.
    """

    def __init__(self, behind: int, address: str = "127.0.0.1") -> None:
        self.port = free_port()
        self.address = address
        self._behind = behind
        self._mode = Mode.PASS
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        self._thread.start()
        self._do(self._listen())

    def set(self, mode: Mode) -> None:
        """Change what it does, from now on."""
        self._do(self._change(mode))

    def _do(self, work: "asyncio.Future[None] | object") -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, self.address, self.port)

    async def _change(self, mode: Mode) -> None:
        self._mode = mode
        (self._flows.clear if mode is Mode.HANG else self._flows.set)()
        if mode is not Mode.REFUSE:
            await self._listen()
        elif self._server is not None:
            self._server.close()
            self._server = None
            self._reset_all()
        if mode is Mode.VANISH and self._server is not None:
            for end in (*self._server.sockets, *(writer.get_extra_info("socket") for writer in self._writers)):
                end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(_NOTHING)))

    def _reset_all(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            _reset(writer)
            return
        both = {writer, far_writer}
        self._writers |= both
        pumps = [
            asyncio.ensure_future(self._pump(reader, far_writer)),
            asyncio.ensure_future(self._pump(far_reader, writer)),
        ]
        self._tasks.update(pumps)
        await asyncio.gather(*pumps)
        self._tasks.difference_update(pumps)
        self._writers -= both
        for end in both:
            end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                await self._flows.wait()
                if self._mode is Mode.RESET:
                    self._reset_all()
                    return
                if self._mode is Mode.DELAY:
                    await asyncio.sleep(_DELAY_S)
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            _reset(writer)

    def close(self) -> None:
        """End all connections and listen no more."""
        self.set(Mode.REFUSE)
        self._do(self._settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _settle(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        await asyncio.sleep(_LOOK_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
