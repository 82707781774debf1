"""A running auscult that quirks are tried on, and what they see of it."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.vocabulary.states import State
from tests.journeys.gateway import PARTS, SETTLED, Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.quirks import Collection, NotRight
from tests.servers import free_port, wait_until
from tests.service.dicom.raw_scu import CR, RawAssociation


@dataclass(frozen=True)
class Target:
    """auscult as a peer, an operator and the ledger see it.

    Attributes
    ----------
    gateway
        Its processes, settings and ledger; `Gateway.output` is what they have logged.
    pacs
        The destination "pacs", which takes everything.
    peers
        What the collection has started besides, by name.
    web_port
        Port of the page, on 127.0.0.1.
    """

    gateway: Gateway
    pacs: CountingPacs
    peers: Mapping[str, Any]
    web_port: int

    @property
    def port(self) -> int:
        """The listener's port, on 127.0.0.1; its AE title is AUSCULT."""
        return self.gateway.port

    def send(
        self,
        encoded: bytes,
        sop_instance_uid: str,
        *,
        transfer_syntax: str = ExplicitVRLittleEndian,
        sop_class_uid: str = CR,
        calling: str = "QUIRKS",
    ) -> int:
        """Send an encoded data set, without file meta information, by C-STORE; return the status."""
        with RawAssociation(self.port, [(1, sop_class_uid, (transfer_syntax,))], calling=calling) as association:
            response = association.store(encoded, sop_instance_uid=sop_instance_uid, sop_class_uid=sop_class_uid)
            association.release()
            return response.status

    def version(self, sop_instance_uid: str) -> InstanceRecord | None:
        """Return the last version of an instance that the ledger knows."""
        with Session(self.gateway.ledger.engine) as session:
            known = select(InstanceRecord).where(InstanceRecord.sop_instance_uid == sop_instance_uid)
            return session.scalars(known.order_by(InstanceRecord.version.desc())).first()

    def deliveries(self, sop_instance_uid: str, destination: str = "pacs") -> list[DeliveryRecord]:
        """Return the outbox rows of the reports on an instance, for one destination."""
        with Session(self.gateway.ledger.engine) as session:
            rows = (
                select(DeliveryRecord)
                .join(ReportRecord)
                .join(InstanceRecord, ReportRecord.instance_id == InstanceRecord.id)
                .where(InstanceRecord.sop_instance_uid == sop_instance_uid, DeliveryRecord.destination == destination)
            )
            return list(session.scalars(rows))

    def settled(self, sop_instance_uid: str, timeout_s: float = 30.0) -> InstanceRecord:
        """Return an instance when it has reached its last state; other destinations than "pacs" count too.

        Raises
        ------
        NotRight
            When it has not after that time.
        """
        return self.in_state(sop_instance_uid, SETTLED, timeout_s)

    def analysed(self, sop_instance_uid: str, timeout_s: float = 30.0) -> InstanceRecord:
        """Return an instance once its reports are built, or it is not analysed, whether or not they arrive.

        Raises
        ------
        NotRight
            When it has not come to that after that time.
        """
        return self.in_state(sop_instance_uid, SETTLED | {State.REPORTED}, timeout_s)

    def in_state(self, sop_instance_uid: str, states: frozenset[State], timeout_s: float) -> InstanceRecord:
        """Return an instance when it is in one of these states.

        Raises
        ------
        NotRight
            When it is in none after that time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            row = self.version(sop_instance_uid)
            if row is not None and State(row.state) in states:
                return row
            if time.monotonic() > deadline:
                raise NotRight("the ledger does not know it" if row is None else f"still {row.state}")
            time.sleep(0.05)

    def reports(self, sop_instance_uid: str) -> list[Dataset]:
        """Return the headers of the reports on an instance that "pacs" holds, in order of arrival."""
        with Session(self.gateway.ledger.engine) as session:
            study = select(StudyRecord.study_instance_uid).join(InstanceRecord)
            uid = session.scalars(study.where(InstanceRecord.sop_instance_uid == sop_instance_uid)).first()
        source = Dataset()
        source.SOPInstanceUID, source.StudyInstanceUID = sop_instance_uid, uid or ""
        return self.pacs.of(source)

    def arrived(self, sop_instance_uid: str, number: int = 1) -> list[Dataset]:
        """Return the reports on an instance that "pacs" holds, once they are so many, or after ten seconds."""
        deadline = time.monotonic() + 10
        while len(reports := self.reports(sop_instance_uid)) < number and time.monotonic() < deadline:
            time.sleep(0.05)
        return reports


@contextmanager
def running(collection: Collection, folder: Path) -> Iterator[Target]:
    """Run auscult before "pacs" and the collection's peers until the block ends; the folder must be empty."""
    settings: dict[str, Any] = {name: dict(table) for name, table in collection.settings.items()}
    web_port = free_port()
    settings["web"] = {"port": web_port, **settings.get("web", {})}
    (folder / "peers").mkdir()
    with CountingPacs() as pacs, collection.peers(folder / "peers") as peers:
        more = [peer.destination for peer in peers.values() if hasattr(peer, "destination")]
        destinations = [destination(pacs.port), *more]
        with gateway(folder, destinations, parts=(*PARTS, "web"), **settings) as made:
            wait_until(lambda: is_open(web_port), "the page's port is open", 60)
            yield Target(made, pacs, peers, web_port)


def is_open(port: int) -> bool:
    """Return whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
