"""Requests as they go onto the wire, read back with pynetdicom's and pydicom's own readers."""

from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pynetdicom.dimse_messages import C_FIND_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_FIND, C_STORE
from pynetdicom.dsutils import decode
from pynetdicom.pdu import P_DATA_TF

from service.dicom.outgoing_message import OutgoingMessage, find_request, store_request

CR = "1.2.840.10008.5.1.4.1.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_PDU_HEADER_BYTES = 6


def pdus(encoded: bytes) -> list[bytes]:
    """Return the PDUs one after the other."""
    found = []
    while encoded:
        length = _PDU_HEADER_BYTES + int.from_bytes(encoded[2:6], "big")
        found.append(encoded[:length])
        encoded = encoded[length:]
    return found


def fragments(found: list[bytes]) -> list[tuple[int, bytes]]:
    """Return presentation context and value of each fragment, as pynetdicom reads them."""
    values = []
    for pdu in found:
        read = P_DATA_TF()
        read.decode(pdu)
        values += [(number, value) for number, value in read.to_primitive().presentation_data_value_list]
    return values


def read(command: bytes) -> Dataset:
    """Return a command set, decoded."""
    found = decode(BytesIO(command), True, True)
    assert found.CommandGroupLength == len(command) - 12
    del found.CommandGroupLength
    return found


@given(
    data=st.binary(min_size=2, max_size=400),
    maximum=st.sampled_from([0, 7, 30, 64, 4096, 2**32 - 1]),
    context_id=st.integers(0, 127).map(lambda number: 2 * number + 1),
)
def test_a_message_arrives_as_it_was_whatever_length_the_peer_takes(data: bytes, maximum: int, context_id: int) -> None:
    command = store_request(CR, "1.2.3")
    found = pdus(OutgoingMessage(context_id, command, data, maximum).encoded)
    if maximum:
        assert max(len(pdu) for pdu in found) - _PDU_HEADER_BYTES <= maximum
    values = fragments(found)
    assert {number for number, _ in values} == {context_id}
    controls = [value[0] for _, value in values]
    last = controls.index(0x03)
    assert controls == [0x01] * last + [0x03] + [0x00] * (len(controls) - last - 2) + [0x02]
    assert b"".join(value[1:] for _, value in values[: last + 1]) == command
    assert b"".join(value[1:] for _, value in values[last + 1 :]) == data


def test_the_commands_say_what_pynetdicoms_own_say() -> None:
    store = C_STORE()
    store.MessageID, store.Priority = 1, 2
    store.AffectedSOPClassUID, store.AffectedSOPInstanceUID = CR, "1.2.34"
    store.DataSet = BytesIO(b"\0\0")
    find = C_FIND()
    find.MessageID, find.Priority, find.AffectedSOPClassUID, find.Identifier = 1, 2, STUDY_ROOT_FIND, BytesIO(b"\0\0")
    for message, primitive, ours in (
        (C_STORE_RQ(), store, store_request(CR, "1.2.34")),
        (C_FIND_RQ(), find, find_request(STUDY_ROOT_FIND)),
    ):
        message.primitive_to_message(primitive)
        theirs = message.command_set
        del theirs.CommandGroupLength
        assert read(ours) == theirs
