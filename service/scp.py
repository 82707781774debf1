"""The listener: an association's C-STORE requests become admitted instances, and every one gets a status."""

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self, cast

from service.audit import AuditTrail
from service.dicom.acceptor.contract import CStoreRequest, CStoreResponse, Peer, Sink
from service.dicom.acceptor.server import AcceptorServer
from service.dicom.auditor import Auditor
from service.dicom.command import CommandSet
from service.dicom.commitment.listening import CommitmentService
from service.dicom.dispatch import handlers
from service.dicom.entity import access_of, entity_of, tls_of
from service.dicom.work_items.listening import WorkItemService
from service.intake import AnnouncedInstance, Intake, Reception
from service.process.handles import handles_left
from service.process.log import get_logger
from service.process.ports import cannot_listen
from service.security.reloading import Reloading
from service.settings import ListenerSettings
from service.storing import Storing
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.refusals import Refusal

log = get_logger(__name__)

#: Seconds between two looks at the associations that a stop waits for.
#: Seconds between two turns of the loop that accepts, while nobody connects.
_TURN_S = 0.5
_STOP_LOOK_S = 0.05


#: File handles of a connection: its socket, and the two ends of what wakes its thread.
_HANDLES_EACH = 3
_FEWEST_WAITING = 2


class Listener:
    """Receives objects until it is stopped.

    Parameters
    ----------
    work_items
        Answers requests about work items; without, none are offered.
    shares_port
        Lets other processes listen on the same ports.
    beat
        Called whenever each port's loop that accepts connections has turned.
    refused
        Called with the status of each object that is not taken.
    not_let_in
        Called with each association, connection and presentation context that is refused.

    Raises
    ------
    SettingsInvalid
        When a certificate, a key or the file of users cannot be used.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        intake: Intake,
        commitment: CommitmentService,
        trail: AuditTrail,
        *,
        work_items: WorkItemService | None = None,
        shares_port: bool = False,
        beat: Callable[[], None] = lambda: None,
        refused: Callable[[int], None] = lambda _: None,
        not_let_in: Callable[[Refusal], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._auditor = Auditor(trail, settings.ae_title)
        self._commitment, self._work_items = commitment, work_items
        self._not_let_in = not_let_in
        access = access_of(settings, self._tell_of_refusal)
        further = work_items.sop_classes if work_items is not None else ()
        self._entity = entity_of(settings, _Service(Storing(intake, self._auditor, refused)), access, further)
        self._tls = tls_of(settings)
        self._shares_port = shares_port
        self._servers: list[AcceptorServer] = []
        self._beat = beat
        self._turned: set[str] = set()

    @property
    def port(self) -> int | None:
        """The TCP port in use, also where the settings leave the choice to the system; none with TLS alone."""
        return next((server.port for server in self._servers if server.tls is None), None)

    @property
    def tls_port(self) -> int | None:
        """The TCP port for TLS; none without."""
        return next((server.port for server in self._servers if server.tls is not None), None)

    def _tell_of_refusal(self, refusal: Refusal, why: str) -> None:
        self._not_let_in(refusal)
        if not refusal.reason.is_of_context:
            self._auditor.refused(refusal.calling_ae_title, refusal.address, why)

    def start(self) -> None:
        """Bind the ports and serve in threads of its own.

        Raises
        ------
        SettingsInvalid
            When an address cannot be bound.
        """
        settings = self._settings
        try:
            if not settings.tls.only:
                self._open("listener.port", settings.port, None)
            if self._tls is not None:
                self._open("listener.tls.port", settings.tls.port, self._tls)
        except SettingsInvalid:
            self.stop()
            raise

    def _open(self, setting: str, port: int, tls: Reloading[ssl.SSLContext] | None) -> None:
        settings = self._settings
        try:
            server = AcceptorServer(
                self._entity,
                (settings.host, port),
                allowed=settings.allowed_addresses,
                maximum_waiting=_maximum_waiting(settings),
                handlers=handlers(self._commitment, self._work_items),
                shares_port=self._shares_port,
                tls=tls,
                beat=partial(self._turn, setting),
            )
        except OSError as error:
            raise cannot_listen(setting, settings.host, port, error) from None
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(_TURN_S,), name=setting, daemon=True).start()

    def _turn(self, setting: str) -> None:
        """Beat once every port's loop has turned: one that hangs is not hidden by the other."""
        self._turned.add(setting)
        if len(self._turned) >= len(self._servers):
            self._turned.clear()
            self._beat()

    def stop(self, grace_s: float = 10.0) -> None:
        """Free the ports, let what is arriving arrive for at most `grace_s` seconds, and end all associations."""
        while self._servers:
            self._servers.pop().shutdown()
        deadline = time.monotonic() + grace_s
        while connections := self._entity.connections:
            is_late = time.monotonic() > deadline
            for connection in connections:
                if is_late or not connection.is_requested:
                    connection.hang_up()
                elif connection.is_established and not connection.is_busy:
                    connection.abort(block=False)
            if time.monotonic() > deadline + 1:
                log.warning("%d associations did not end in time", len(connections))
                return
            time.sleep(_STOP_LOOK_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _maximum_waiting(settings: ListenerSettings) -> int:
    """Return for how many connections there is room that have yet to ask for an association."""
    return min(max(32, 2 * settings.maximum_associations), max(_FEWEST_WAITING, handles_left() // _HANDLES_EACH // 2))


@dataclass(frozen=True)
class _Service:
    """Takes the C-STORE requests of associations; no association is aborted for a bad object."""

    storing: Storing

    def begin(self, peer: Peer, command: CommandSet, context_id: int) -> Sink:
        abstract_syntax_uid, transfer_syntax_uid = peer.transfer_syntaxes[context_id]
        request = AnnouncedInstance(
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            abstract_syntax_uid=abstract_syntax_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            calling_ae_title=peer.calling_ae_title,
            has_high_priority=command.has_high_priority,
        )
        return self.storing.begin(request)

    def finish(self, request: CStoreRequest) -> CStoreResponse:
        answer = self.storing.finish(cast(Reception, request.sink), request.address)
        return CStoreResponse(answer.status, answer.comment)
