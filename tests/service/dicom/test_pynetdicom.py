"""pynetdicom promises none of what the acceptor takes from its inside; docs/reference/pynetdicom.md names all of it."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import evt
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import AE_6, AE_7, DT_2, TRANSITION_TABLE
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AssociationServer, AssociationSocket, ThreadedAssociationServer

from service.dicom.acceptor.access import Access
from service.dicom.acceptor.association import AcceptedAssociation
from service.dicom.acceptor.negotiation import Negotiation
from service.dicom.acceptor.offer import Offer
from service.dicom.acceptor.peer_socket import PeerSocket
from service.dicom.acceptor.places import Places
from service.dicom.acceptor.plain_socket import PlainSocket
from service.dicom.acceptor.secure_socket import SecureSocket
from service.dicom.acceptor.server import AcceptorEntity, AcceptorServer
from service.dicom.acceptor.streaming import StreamingDimse
from service.dicom.acceptor.terms import Terms
from service.dicom.acceptor.upper_layer import UpperLayer
from service.dicom.associate import UserInformation
from service.dicom.requestor import RequestedAssociation
from service.dicom.requestor_connection import RequestorSocket, RequestorUpperLayer

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "reference" / "pynetdicom.md").read_text()
BASES = {
    PeerSocket: AssociationSocket,
    PlainSocket: AssociationSocket,
    SecureSocket: AssociationSocket,
    UpperLayer: DULServiceProvider,
    StreamingDimse: DIMSEServiceProvider,
    AcceptedAssociation: Association,
    AcceptorEntity: ApplicationEntity,
    AcceptorServer: AssociationServer,
    Negotiation: ACSE,
    RequestedAssociation: Association,
    RequestorSocket: AssociationSocket,
    RequestorUpperLayer: DULServiceProvider,
}
PYNETDICOM = {base.__name__: base for base in (*BASES.values(), PresentationContext)}


def rows(heading: str) -> dict[str, str]:
    """Return the first two columns of a table of the page, without back quotes."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, re.MULTILINE)
    return {name: where.strip() for name, where in found}


def defined(ours: type) -> set[str]:
    return {name for name, value in vars(ours).items() if callable(value) or isinstance(value, property)}


def overriding(ours: type) -> set[str]:
    own = {name for name in defined(ours) if not name.startswith("__")}
    return {name for name in own if any(name in vars(base) for base in BASES[ours].mro() if is_pynetdicom_s(base))}


def is_pynetdicom_s(base: type) -> bool:
    return base.__module__.startswith("pynetdicom.")


def test_every_method_that_overrides_one_of_pynetdicom_s_stands_on_the_page() -> None:
    said = {(name, ours) for name, where in rows("Overridden").items() for ours in where.replace("`", "").split(", ")}
    done = {(f"{base.__name__}.{name}", ours.__name__) for ours, base in BASES.items() for name in overriding(ours)}
    assert said == done


@pytest.mark.parametrize("name", [*rows("Overridden"), *rows("Private and used")])
def test_pynetdicom_has_what_stands_on_the_page(name: str) -> None:
    owner, _, attribute = name.partition(".")
    if owner == "evt":
        assert hasattr(evt, attribute)
        return
    base = PYNETDICOM[owner]
    assert hasattr(base, attribute) or re.search(rf"self\.{attribute}\b", inspect.getsource(base))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private() -> set[str]:
    """Return the private attributes that the code uses and does not define itself."""
    page = {name.partition(".")[2] for name in rows("Private and used")}
    used, ours = set(), set()
    for path in (ROOT / "service" / "dicom").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.FunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                    ours.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()) if name not in page:
                    ours.add(name)
                case ast.Attribute(attr=name) if is_private(name):
                    used.add(name)
    return used - ours


def test_every_private_name_of_pynetdicom_that_is_used_stands_on_the_page() -> None:
    # What is overridden somewhere is called there as our own.
    overridden = {name.partition(".")[2] for name in rows("Overridden")}
    assert private() == {name.partition(".")[2] for name in rows("Private and used")} - overridden


def test_the_reactor_calls_what_is_overridden() -> None:
    reactor = inspect.getsource(DULServiceProvider.run_reactor)
    for call in ("self._is_transport_event()", "self._run_loop_delay", "self._process_recv_primitive()"):
        assert call in reactor
    assert "self._read_pdu_data()" in inspect.getsource(DULServiceProvider._is_transport_event)
    assert "self.socket.ready" in inspect.getsource(DULServiceProvider._is_transport_event)
    assert "self._shutdown_socket()" in inspect.getsource(AssociationSocket.close)
    assert "self.acse.negotiate_association()" in inspect.getsource(Association.run_reactor)
    assert "self._run_reactor()" in inspect.getsource(Association.run_reactor)
    assert "dul.assoc.dimse.receive_primitive" in inspect.getsource(DT_2)
    assert "dul._send(A_ASSOCIATE_AC(primitive))" in inspect.getsource(AE_7)
    assert "dul._recv_pdu.get" in inspect.getsource(AE_6)
    assert "to_primitive()" in inspect.getsource(AE_6)
    assert "self.maximum_pdu_size" in inspect.getsource(DIMSEServiceProvider.send_msg)
    assert issubclass(AcceptorServer, ThreadedAssociationServer)
    sending = inspect.getsource(Association.send_c_store)
    assert sending.index("self._reactor_checkpoint.clear()") < sending.index("while not self._is_paused")
    associate = inspect.getsource(ApplicationEntity.associate)
    for call in (
        "assoc.set_socket(sock)",
        "assoc.requestor.requested_contexts = contexts",
        "assoc.request()",
        "assoc.start()",
    ):
        assert call in associate


def test_the_state_machine_aborts_on_an_invalid_pdu_and_passes_data_on() -> None:
    assert TRANSITION_TABLE["Evt19", "Sta6"] == "AA-8"
    assert TRANSITION_TABLE["Evt19", "Sta2"] == "AA-1"
    assert TRANSITION_TABLE["Evt10", "Sta6"] == "DT-2"
    assert TRANSITION_TABLE["Evt17", "Sta6"] == "AA-4"


def test_the_queues_are_attributes() -> None:
    upper_layer = inspect.getsource(DULServiceProvider.__init__)
    for attribute in ("event_queue", "to_user_queue", "_recv_pdu"):
        assert f"self.{attribute}:" in upper_layer
    dimse = inspect.getsource(DIMSEServiceProvider)
    assert "self.msg_queue" in dimse
    assert "self.message" in dimse


def test_no_handler_describes_pdus() -> None:
    service: Any = None
    terms = Terms(service, Access(), Offer({}, frozenset(), UserInformation()), Places(1, 1), 1.0)
    assoc = AcceptedAssociation(AcceptorEntity("AUSCULT", terms), terms)
    try:
        for event in (evt.EVT_PDU_RECV, evt.EVT_PDU_SENT, evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_DATA_RECV):
            assert not assoc.get_handlers(event)
        assert assoc.get_handlers(evt.EVT_C_ECHO)
    finally:
        assoc.dul.close()
