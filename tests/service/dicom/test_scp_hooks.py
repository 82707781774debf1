"""pynetdicom promises none of what the listener overrides; here an upgrade that takes a hook away is found out."""

import inspect

import pytest
from pynetdicom import evt
from pynetdicom.acse import ACSE
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import DT_2, TRANSITION_TABLE
from pynetdicom.transport import AssociationServer, AssociationSocket

from service.dicom.access import Doorkeeper
from service.dicom.association import StoreAssociation
from service.dicom.secure_socket import SecureSocket
from service.dicom.server import StoreEntity, StoreServer
from service.dicom.streaming import StreamingDimse
from service.dicom.upper_layer import StoreSocket, UpperLayer

OURS_ALONE = {
    StoreSocket: {"discard_input", "_upper_layer"},
    UpperLayer: {"ring", "wait", "restart_idle_timer", "_refuse", "_dimse", "close"} | {"_end_wait_for_request"},
    StreamingDimse: {"is_arriving", "is_backed_up", "abandon"}
    | {"_receive", "_receive_command", "_receive_other", "_pass_on", "_finish"},
    StoreAssociation: {"is_requested", "is_busy", "transfer_syntaxes", "hang_up", "_is_over"}
    | {"is_secure", "certificate", "_is_trusted"},
    StoreEntity: {"connections"},
    StoreServer: {"request_queue_size", "port"},
    SecureSocket: {"connection", "shake_hands", "_has_data"},
    Doorkeeper: set(),
}
BASES = {
    StoreSocket: AssociationSocket,
    UpperLayer: DULServiceProvider,
    StreamingDimse: DIMSEServiceProvider,
    StoreAssociation: Association,
    StoreEntity: ApplicationEntity,
    StoreServer: AssociationServer,
    SecureSocket: StoreSocket,
    Doorkeeper: ACSE,
}


@pytest.mark.parametrize("ours", BASES)
def test_every_method_that_overrides_one_still_does(ours: type) -> None:
    defined = {name for name, value in vars(ours).items() if callable(value) or isinstance(value, property)}
    overriding = {name for name in defined if not name.startswith("__")} - OURS_ALONE[ours]
    assert overriding
    assert [name for name in sorted(overriding) if not hasattr(BASES[ours], name)] == []


@pytest.mark.parametrize("ours", BASES)
def test_no_method_of_our_own_hides_one_of_pynetdicom_s(ours: type) -> None:
    own = OURS_ALONE[ours] - {"request_queue_size"}
    assert [name for name in sorted(own) if hasattr(BASES[ours], name)] == []


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
    assert "ae.active_associations" in inspect.getsource(ACSE._negotiate_as_acceptor)


def test_the_state_machine_aborts_on_an_invalid_pdu_and_passes_data_on() -> None:
    assert TRANSITION_TABLE["Evt19", "Sta6"] == "AA-8"
    assert TRANSITION_TABLE["Evt19", "Sta2"] == "AA-1"
    assert TRANSITION_TABLE["Evt10", "Sta6"] == "DT-2"
    assert TRANSITION_TABLE["Evt17", "Sta6"] == "AA-4"


def test_no_handler_describes_pdus() -> None:
    assoc = StoreAssociation(StoreEntity(), None)  # type: ignore[arg-type]
    try:
        for event in (evt.EVT_PDU_RECV, evt.EVT_PDU_SENT, evt.EVT_DIMSE_RECV, evt.EVT_DIMSE_SENT, evt.EVT_DATA_RECV):
            assert not assoc.get_handlers(event)
        assert assoc.get_handlers(evt.EVT_C_ECHO)
    finally:
        assoc.dul.close()
