"""The body of a Store request, however it is cut, and whatever is done to it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian

from service.dicom.contexts import accepted
from service.dicomweb import BrokenBody, StoreTransaction, boundary_of
from service.dicomweb.file_meta import file_meta
from service.dicomweb.store import StoreRequest
from service.intake import AnnouncedInstance
from service.storing import StorageAnswer
from service.vocabulary.errors import AuscultError, NotDicom
from tests import phantoms
from tests.service.dicomweb_body import BOUNDARY, CONTENT_TYPE, body

FILES = [phantoms.encoded(phantoms.chest(number, rows=40, columns=30)) for number in range(3)]
WHOLE = body(FILES)
DEFLATED = phantoms.encoded(phantoms.transcoded(phantoms.chest(1, rows=40), DeflatedExplicitVRLittleEndian))


@dataclass
class Kept:
    """A reception that keeps what it is given."""

    request: AnnouncedInstance
    refusal: AuscultError | None
    content: bytearray = field(default_factory=bytearray)
    is_discarded: bool = False

    def write(self, piece: Any) -> None:
        self.content += piece

    def discard(self) -> None:
        self.is_discarded = True


@dataclass
class Keeping:
    """What a transaction stores into."""

    kept: list[Kept] = field(default_factory=list)
    finished: list[Kept] = field(default_factory=list)

    def begin(self, request: AnnouncedInstance, refusal: AuscultError | None = None) -> Kept:
        self.kept.append(Kept(request, refusal))
        return self.kept[-1]

    def finish(self, reception: Kept, _address: str) -> StorageAnswer:
        self.finished.append(reception)
        return StorageAnswer(0 if reception.refusal is None else 0xC000)


def stored(pieces: list[bytes]) -> Keeping:
    keeping = Keeping()
    request = StoreRequest("PACS", "127.0.0.1", "", accepted())
    transaction = StoreTransaction(keeping, request, BOUNDARY.encode())  # type: ignore[arg-type]
    try:
        for piece in pieces:
            transaction.write(piece)
        transaction.end()
    finally:
        transaction.discard()
    assert len(transaction.instances) == len(keeping.finished)
    return keeping


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_a_body_means_the_same_however_it_is_cut(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(WHOLE)]
    keeping = stored([WHOLE[start:end] for start, end in itertools.pairwise(at)])
    assert len(keeping.finished) == 3
    for file, kept in zip(FILES, keeping.finished, strict=True):
        assert kept.refusal is None
        assert file.endswith(bytes(kept.content))
        assert kept.content[:4] == b"\x08\x00\x05\x00", "the data set from its first element on"


def test_a_body_means_the_same_byte_by_byte() -> None:
    assert stored([WHOLE[at : at + 1] for at in range(len(WHOLE))]).finished == stored([WHOLE]).finished


@given(st.data())
def test_a_damaged_body_is_taken_in_part_or_broken_and_nothing_else(data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[: data.draw(st.integers(0, len(WHOLE)))])
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, min(len(damaged), 900)))
        damaged[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=8))
    keeping = Keeping()
    transaction = StoreTransaction(keeping, StoreRequest("P", "", "", accepted()), BOUNDARY.encode())  # type: ignore[arg-type]
    try:
        transaction.write(bytes(damaged))
        transaction.end()
    except BrokenBody:
        pass
    finally:
        transaction.discard()
    finished = {id(kept) for kept in keeping.finished}
    assert all(kept.is_discarded for kept in keeping.kept if id(kept) not in finished)


@given(st.binary(max_size=400), st.booleans())
def test_the_head_of_anything_is_read_or_refused(tail: bytes, is_whole: bool) -> None:
    for head in (tail, bytes(128) + b"DICM" + tail, FILES[0][:200] + tail):
        try:
            found = file_meta(head, is_whole=is_whole)
        except NotDicom:
            continue
        assert found is not None or not is_whole


def test_a_deflated_data_set_begins_where_the_group_s_length_says() -> None:
    found = file_meta(DEFLATED, is_whole=True)
    assert found is not None
    like_the_group = DEFLATED[: found.data_set_offset] + b"\x02\x00" + bytes(40)
    again = file_meta(like_the_group, is_whole=True)
    assert again == found


def test_a_file_without_its_group_length_is_read_to_the_group_s_end() -> None:
    whole = file_meta(FILES[0], is_whole=True)
    found = file_meta(FILES[0][:132] + FILES[0][144:], is_whole=True)
    assert whole is not None
    assert found == whole._replace(data_set_offset=whole.data_set_offset - 12)


def test_a_part_without_an_end_of_its_head_is_refused_before_it_fills_the_memory() -> None:
    endless = FILES[0][:144] + b"\x02\x00\x02\x01OB\0\0\xff\xff\xff\x7f" + bytes(200_000)
    keeping = stored([body([endless])])
    assert isinstance(keeping.finished[0].refusal, NotDicom)


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        (CONTENT_TYPE, BOUNDARY.encode()),
        ('Multipart/Related; boundary="a b"; type=application/dicom', b"a b"),
        ("multipart/related; boundary=x", b"x"),
        ("multipart/related; type=application/dicom", None),
        (f"multipart/related; boundary={'x' * 73}", b"x" * 73),
        (f"multipart/related; boundary={'x' * 300}", None),
        ('multipart/related; type="image/jpeg"; boundary=x', None),
        ("", None),
    ],
)
def test_the_boundary_is_that_of_the_header(header: str, boundary: bytes | None) -> None:
    assert boundary_of(header) == boundary
