"""Messages of storage commitment, verification and cancelling as plain bytes, for `raw_scu`."""

import struct
from collections.abc import Sequence

from tests.service.dicom.raw_scu import CR, EXPLICIT, NO_DATA_SET, command_set, element

VERIFICATION = "1.2.840.10008.1.1"
COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"

#: Command Fields (PS3.7 section E.1).
N_EVENT_REPORT, N_EVENT_REPORT_RESPONSE, N_ACTION = 0x0100, 0x8100, 0x0130
C_ECHO, C_CANCEL = 0x0030, 0x0FFF


def action_command(message_id: int = 1, action: int = 1, instance: str = WELL_KNOWN) -> bytes:
    """Return an N-ACTION-RQ command set."""
    return command_set(
        {0x0003: COMMITMENT, 0x0100: N_ACTION, 0x0110: message_id, 0x0800: 1, 0x1001: instance, 0x1008: action}
    )


def event_command(message_id: int = 1, event: int = 1, instance: str = WELL_KNOWN) -> bytes:
    """Return an N-EVENT-REPORT-RQ command set."""
    return command_set(
        {0x0002: COMMITMENT, 0x0100: N_EVENT_REPORT, 0x0110: message_id, 0x0800: 1, 0x1000: instance, 0x1002: event}
    )


def event_response(message_id: int, status: int | None) -> bytes:
    """Return an N-EVENT-REPORT-RSP command set; with None, its status is absent."""
    values: dict[int, str | int] = {
        0x0002: COMMITMENT,
        0x0100: N_EVENT_REPORT_RESPONSE,
        0x0120: message_id,
        0x0800: NO_DATA_SET,
    }
    return command_set(values if status is None else {**values, 0x0900: status})


def echo_command(message_id: int = 1) -> bytes:
    """Return a C-ECHO-RQ command set."""
    return command_set({0x0002: VERIFICATION, 0x0100: C_ECHO, 0x0110: message_id, 0x0800: NO_DATA_SET})


def cancel_command(message_id: int = 1) -> bytes:
    """Return a C-CANCEL-RQ command set."""
    return command_set({0x0100: C_CANCEL, 0x0120: message_id, 0x0800: NO_DATA_SET})


def information(
    transaction_uid: str, sop_instance_uids: Sequence[str], failed: Sequence[str] = (), syntax: str = EXPLICIT
) -> list[bytes]:
    """Return the elements of a request's or an answer's data set (PS3.4 Tables J.3-1 and J.3-2)."""
    elements = [_element(0x00081195, "UI", transaction_uid.encode(), syntax)]
    for tag, uids in ((0x00081198, failed), (0x00081199, sop_instance_uids)):
        if uids:
            items = b"".join(_item(uid, syntax, has_reason=tag == 0x00081198) for uid in uids)
            elements.append(_element(tag, "SQ", items, syntax))
    return elements


def _item(sop_instance_uid: str, syntax: str, *, has_reason: bool) -> bytes:
    body = _element(0x00081150, "UI", CR.encode(), syntax)
    body += _element(0x00081155, "UI", sop_instance_uid.encode(), syntax)
    if has_reason:
        body += _element(0x00081197, "US", struct.pack("<H", 0x0112), syntax)
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(body)) + body


def _element(tag: int, vr: str, value: bytes, syntax: str) -> bytes:
    if syntax == EXPLICIT:
        return element(tag, vr, value)
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
