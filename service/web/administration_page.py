"""The page of administration: what the system stands on, what is wrong with it, and who may use it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from service.alarms import alarms_of
from service.audit.administration_events import AuditedChange
from service.ledger.database import TABLES
from service.operations.wake import Task, waker
from service.partners import PartnerAnswer, answers
from service.process import heartbeat
from service.refused import refused_callers
from service.security import passwords
from service.settings import DicomwebSettings, NodeSettings, ReceiverSettings
from service.vocabulary.errors import StoreUnavailable
from service.vocabulary.roles import Role
from service.vocabulary.states import DeliveryState
from service.web.asking import person_of, viewer
from service.web.contract import TEXT, form
from service.web.endpoint import Endpoint
from service.web.problem import Problem
from service.web.site import Site

_PATH = "/administration"
_NUMBER = re.compile(r"[0-9]{1,12}")

#: Does what a form asks for, and returns what was done, in words for the audit trail; None where nothing was.
_Act = Callable[[Mapping[str, str]], str | None]


class AdministrationPage:
    """The handlers; everybody who reads may look, and an administrator acts."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._waker = waker(site.settings)
        settings = site.settings
        self._partners = {one.name: one for one in (*settings.destinations, *settings.receivers)}

    @property
    def endpoints(self) -> list[Endpoint]:
        """What it answers."""
        named, numbered = (form({field: TEXT}, HTTPStatus.NOT_FOUND) for field in ("name", "number"))
        return [
            Endpoint(_PATH, self.show),
            Endpoint(f"{_PATH}/echo", self.echo, Role.ADMINISTRATOR, "POST", replace(named, statuses=(HTTPStatus.OK,))),
            Endpoint(f"{_PATH}/retry", self.retry, Role.ADMINISTRATOR, "POST", form()),
            Endpoint(f"{_PATH}/revoke", self.revoke, Role.ADMINISTRATOR, "POST", numbered),
            Endpoint(f"{_PATH}/sign-out", self.sign_out, Role.ADMINISTRATOR, "POST", form({"name": TEXT})),
        ]

    def show(self, request: Request) -> Response:
        """Answer with the page."""
        return self._page(request, {})

    async def echo(self, request: Request) -> Response:
        """Ask a destination or a receiver whether it answers, and show what it said."""
        fields = await self._site.forms.fields(request, viewer(request)[0])
        partner = self._partners.get(fields.get("name", ""))
        if partner is None:
            raise Problem(HTTPStatus.NOT_FOUND, "problem.no_partner")
        answer = await run_in_threadpool(answers, self._site.settings, partner)
        return await run_in_threadpool(self._page, request, {partner.name: answer})

    async def retry(self, request: Request) -> Response:
        """Start again all that was given up."""

        def act(_: Mapping[str, str]) -> str | None:
            count = self._site.ledger.remedies.retry()
            for task in Task:
                self._waker.wake(task)
            return f"all that was given up was started again ({count})" if count else None

        return await self._act(request, AuditedChange.ALL_STUDIES, act)

    async def revoke(self, request: Request) -> Response:
        """End a program's token."""

        def act(fields: Mapping[str, str]) -> str:
            number = fields.get("number", "")
            if not _NUMBER.fullmatch(number) or not self._site.ledger.api_tokens.revoke(int(number)):
                raise Problem(HTTPStatus.NOT_FOUND, "problem.no_token")
            return f"token {number} was revoked"

        return await self._act(request, AuditedChange.USERS, act)

    async def sign_out(self, request: Request) -> Response:
        """End a person's sessions."""

        def act(fields: Mapping[str, str]) -> str | None:
            name = fields.get("name", "")
            ended = self._site.ledger.sign_ins.end_all(name)
            return f"all sessions of {name} were ended ({ended})" if ended else None

        return await self._act(request, AuditedChange.USERS, act)

    async def _act(self, request: Request, change: AuditedChange, act: _Act) -> Response:
        user, address = viewer(request)
        fields = await self._site.forms.fields(request, user)

        def acted() -> None:
            done = act(fields)
            if done is not None:
                self._site.auditor.administered(user, address, change, done)

        await run_in_threadpool(acted)
        return RedirectResponse(_PATH, HTTPStatus.SEE_OTHER)

    def _page(self, request: Request, told: Mapping[str, PartnerAnswer]) -> Response:
        site, ledger, now = self._site, self._site.ledger, self._site.clock()
        status = ledger.inspection.status()
        is_administrator = person_of(request.scope).may(Role.ADMINISTRATOR)
        return site.page(
            "administration.html",
            now=now,
            status=status,
            alarms=alarms_of(site.say, ledger, site.settings.turnaround, status, now),
            partners=[(name, *_address(partner)) for name, partner in self._partners.items()],
            told={name: (is_well, site.say.told(said)) for name, (is_well, said) in told.items()},
            dead=ledger.dead_letters.newest(),
            states=DeliveryState,
            refused=refused_callers(site.say, ledger, now),
            room=self._room(),
            beats=self._beats(),
            version=version("auscult"),
            tables=TABLES,
            checkpoint=ledger.checkpoints.newest(),
            is_administrator=is_administrator,
            users=self._users() if is_administrator else [],
            tokens=ledger.api_tokens.all() if is_administrator else [],
            sign_ins=ledger.sign_ins.current() if is_administrator else [],
            **site.form(request),
        )

    def _room(self) -> tuple[int, int] | None:
        """Return free and reserved bytes of the objects' disk; None where it does not answer."""
        room = self._site.store.room
        try:
            return room.free_bytes(), room.reserve_bytes
        except StoreUnavailable:
            return None

    def _beats(self) -> list[tuple[str, float]]:
        """Return the processes of this machine, and seconds since each was last heard of."""
        folder = self._site.settings.heartbeat_dir
        parts = sorted({path.name.partition("-")[0] for path in folder.glob("*-*")}) if folder.is_dir() else []
        return [(part, age) for part in parts for age in heartbeat.ages(folder, part)]

    def _users(self) -> list[tuple[str, list[Role]]]:
        path = self._site.settings.web.users
        found = passwords.read(path, "web.users") if path is not None else {}
        return [(name, sorted(user.roles)) for name, user in found.items()]


def _address(partner: NodeSettings | DicomwebSettings | ReceiverSettings) -> tuple[str, str]:
    """Return a partner's channel, and where it listens."""
    if isinstance(partner, NodeSettings):
        return "DICOM", f"{partner.host}:{partner.port}"
    host, port = partner.address
    return str(getattr(partner, "channel", "")), f"{host}:{port}"
