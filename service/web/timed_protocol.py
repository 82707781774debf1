"""uvicorn's HTTP protocol with a deadline for each part of a request, which no single byte puts off."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from service.web.connections import Connection, Connections


class TimedProtocol(H11Protocol):
    """One connection: its header, its body and its answer each come whole in their time, or it is closed."""

    def __init__(self, connections: Connections, connection: Connection, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._connections = connections
        self._connection = connection
        self._part: tuple[str, int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._last_byte = self.loop.time()
        self._size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a header."""
        super().connection_made(transport)
        self._connection.transport = transport
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        super().data_received(data)
        self._last_byte = self.loop.time()
        self._size += len(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request's header."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and leave the place to another."""
        if self._timer is not None:
            self._timer.cancel()
        self._connections.forget(self._connection)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Set the clock where another part of a request has begun."""
        cycle: RequestResponseCycle | None = (
            self.cycle
        )  # uvicorn's own annotation leaves out that there is none at first
        answered = cycle is None or cycle.response_complete
        if cycle is not None and not answered and not cycle.more_body:
            name = "response"
        else:
            name = "header" if answered and self.conn.their_state is not h11.SEND_BODY else "body"
        self._connection.is_waiting = name != "response"
        part = (name, id(cycle))
        if part == self._part:
            return
        self._part = part
        self._began, self._size = self.loop.time(), 0
        if self._timer is not None:
            self._timer.cancel()
        seconds = getattr(self._connections.settings, f"{name}_timeout")
        self._timer = self.loop.call_later(seconds, self._late, name)

    def _late(self, name: str) -> None:
        now, patience = self.loop.time(), self._connections.settings.body_timeout
        if name == "body":
            # A large one may take longer, if it comes steadily; while we do not read, the delay is ours.
            whole_by = self._began + patience + self._size / self._connections.slowest
            due = now + patience if self.flow.read_paused else min(whole_by, self._last_byte + patience)
            if due > now:
                self._timer = self.loop.call_at(due, self._late, name)
                return
        what = {"header": "no whole header came", "body": "no whole body came", "response": "its answer was not taken"}
        self._connections.late(self._connection, what[name], f"web.{name}_timeout")
