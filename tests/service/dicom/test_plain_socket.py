"""What a peer sends arrives whole, whatever pieces of it come at once: half a PDU, or many and the start of another."""

from pathlib import Path

import pytest

from tests.service.dicom.raw_scu import CR, RawAssociation, data_pdu, element, header, pdu, store_command
from tests.service.listening import listening

_PIXELS = 0x7FE00010


def _message(number: int, fragment_bytes: int, pixels: bytes = b"") -> tuple[bytes, bytes]:
    """Return a C-STORE request's data set, and its PDUs."""
    uid = f"2.25.{4000 + number}"
    data = header(uid) + element(_PIXELS, "OW", pixels)
    parts = [data[start : start + fragment_bytes] for start in range(0, len(data), fragment_bytes)]
    pdus = [data_pdu(1, 0x02 if part is parts[-1] else 0x00, part) for part in parts]
    return data, data_pdu(1, 0x03, store_command(CR, uid, message_id=number)) + b"".join(pdus)


@pytest.mark.parametrize("piece_bytes", [1000, 70_001, 1 << 20])
def test_pdus_of_every_size_arrive_whole_in_pieces_of_every_size(tmp_path: Path, piece_bytes: int) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as peer:
        # PDUs of a few bytes, of the usual sizes, and such as only a buffer of their own holds.
        for number, fragment_bytes in enumerate((7, 16_382, 131_066, 262_130), 1):
            pixels = bytes(range(256)) * (2500 if fragment_bytes > 7 else 1)
            data, message = _message(number, fragment_bytes, pixels)
            for start in range(0, len(message), piece_bytes):
                peer.connection.sendall(message[start : start + piece_bytes])
            assert peer.response().status == 0
            assert site.stored().endswith(data)
        peer.release()


def test_two_requests_and_a_release_that_come_at_once_are_served_in_their_order(tmp_path: Path) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as peer:
        messages = [_message(number, 16_382) for number in (1, 2)]
        peer.connection.sendall(b"".join(pdus for _, pdus in messages) + pdu(0x05, bytes(4)))
        assert [peer.response().status, peer.response().status] == [0, 0]
        assert peer.receive()[0] == 0x06
        assert [site.stored(index).endswith(data) for index, (data, _) in enumerate(messages)] == [True, True]
