"""Server-sent events: tell open pages that something on the list has changed, so that they ask for it.

An event says nothing but that; the ledger is the truth. It is asked once a second for all pages of the process
together, and a page without events asks by itself. Source: HTML Living Standard, section 9.2.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from service.vocabulary.errors import Unavailable
from service.web.problem import Problem

_EVERY_S = 1.0
#: Seconds without a change after which a page is told that the list is as it was.
_BEAT_S = 5.0


class LiveEvents:
    """The stream of events, for as many pages as there is room for.

    Parameters
    ----------
    newest
        Returns a number that changes with the list.
    most
        Streams at once: each holds a connection.
    subscribed
        Called with each request for a stream that begins.
    lasts
        Seconds after which a stream ends; browsers ask for another by themselves.
    """

    def __init__(
        self, newest: Callable[[], int], most: int, lasts: float, subscribed: Callable[[Request], None]
    ) -> None:
        self._newest = newest
        self._most = most
        self._lasts = lasts
        self._subscribed = subscribed
        self._open = 0
        self._known: int | None = None
        self._asked_at = 0.0
        self._asking = asyncio.Lock()

    async def answer(self, request: Request) -> StreamingResponse:
        """Answer a page with a stream.

        Raises
        ------
        Problem
            When there is no room for another; the page asks every few seconds then.
        """
        if self._open >= self._most:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "problem.no_stream")
        await run_in_threadpool(self._subscribed, request)
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        self._open += 1
        try:
            clock = asyncio.get_running_loop().time
            ends, told, told_at = clock() + self._lasts, -1, clock()
            yield "retry: 1000\n\n"
            while clock() < ends:
                known = await self._current()
                if known is not None and (known != told or clock() - told_at >= _BEAT_S):
                    yield f"event: {'beat' if known == told else 'changed'}\ndata: {known}\n\n"
                    told, told_at = known, clock()
                await asyncio.sleep(_EVERY_S)
        finally:
            self._open -= 1

    async def _current(self) -> int | None:
        """Return the number that changes with the list, at most a second old; None while the ledger is away."""
        clock = asyncio.get_running_loop().time
        async with self._asking:
            if clock() - self._asked_at >= _EVERY_S:
                try:
                    self._known = await run_in_threadpool(self._newest)
                except Unavailable:
                    self._known = None
                self._asked_at = clock()
            return self._known
