"""The reader of A-ASSOCIATE PDUs: strict about lengths and nothing else; pynetdicom is the second opinion."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from service.dicom.acceptor.offer import Offer
from service.dicom.associate import (
    AnsweredContext,
    AssociateAnswer,
    AssociateRequest,
    InvalidAssociate,
    ProposedContext,
    UserInformation,
    ae_title,
    encode_answer,
    read_answer,
    read_request,
)
from tests.invariants import Invariant
from tests.servers import wait_until
from tests.service.dicom.odd_requests import ODD_REQUESTS, OddRequest, accepted_contexts, answered
from tests.service.dicom.raw_scu import (
    CR,
    Ended,
    RawAssociation,
    association_request,
    data_pdu,
    header,
    pdu,
    store_command,
)
from tests.service.listening import Site, listening

uids = st.lists(st.integers(1, 10**9 - 1), min_size=1, max_size=5).map(lambda parts: ".".join(map(str, (1, 2, *parts))))
letters = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\")
titles = st.text(letters, min_size=1, max_size=16)
contexts = st.lists(
    st.tuples(st.integers(0, 127).map(lambda number: 2 * number + 1), uids, st.lists(uids, min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
    unique_by=lambda context: context[0],
)
#: Bytes that are likely to be taken for items.
items = st.lists(
    st.builds(
        lambda kind, value, wrong: struct.pack(">BBH", kind, 0, max(0, len(value) + wrong)) + value,
        st.sampled_from((0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x52, 0x54, 0x55, 0x58, 0x99)),
        st.binary(max_size=60),
        st.sampled_from((0, 0, 0, 1, -1, 4)),
    )
).map(b"".join)
bodies = st.one_of(st.binary(max_size=300), items.map(lambda rest: bytes(68) + rest))


@given(bodies)
def test_whatever_bytes_come_they_are_read_or_refused(body: bytes) -> None:
    for read in (read_request, read_answer):
        try:
            read(body)
        except InvalidAssociate as error:
            assert str(error)  # noqa: PT017 - any other exception would pass through


@given(st.binary(max_size=16))
def test_an_ae_title_is_printable_and_without_padding(encoded: bytes) -> None:
    title = ae_title(encoded)
    assert title.isascii()
    assert title.isprintable()
    assert title == title.strip()


@given(contexts, titles, titles)
def test_a_request_that_pynetdicom_understands_is_read_as_it_reads_it(
    proposed: list[tuple[int, str, list[str]]], calling: str, called: str
) -> None:
    encoded = association_request(proposed, calling, called, ("user", "secret"), [CR])
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(encoded)
    ours = read_request(encoded[6:])
    assert (ours.calling_ae_title, ours.called_ae_title) == (theirs.calling_ae_title, theirs.called_ae_title)
    assert [(c.context_id, c.abstract_syntax, list(c.transfer_syntaxes)) for c in ours.contexts] == [
        (c.context_id, c.abstract_syntax, c.transfer_syntax) for c in theirs.presentation_context
    ]
    said = theirs.user_information
    assert said is not None
    assert ours.information.maximum_length == said.maximum_length == 16384
    assert ours.information.implementation_class_uid == said.implementation_class_uid
    assert ours.information.roles == {CR: (True, True)}
    assert ours.information.user is not None
    assert ours.information.user.primary_field == b"user"


@given(contexts, st.integers(8, 2**32 - 1), st.binary(min_size=16, max_size=16))
def test_an_answer_is_read_back_and_pynetdicom_understands_it(
    proposed: list[tuple[int, str, list[str]]], maximum: int, title: bytes
) -> None:
    taken = tuple(AnsweredContext(number, 0, syntaxes[0]) for number, _, syntaxes in proposed)
    said = UserInformation(maximum, "1.2.3", "VERSION", {proposed[0][1]: (False, True)})
    encoded = encode_answer(AssociateAnswer(taken, said), title, title)
    assert read_answer(encoded[6:]) == AssociateAnswer(taken, said)
    assert encoded[10:26] == encoded[26:42] == title, "PS3.8 Table 9-17: identical to the request's"
    theirs = A_ASSOCIATE_AC()
    theirs.decode(encoded)
    assert [(c.context_id, c.result, c.transfer_syntax) for c in theirs.presentation_context] == [
        (number, 0, UID(syntaxes[0])) for number, _, syntaxes in proposed
    ]
    assert theirs.user_information is not None
    assert theirs.user_information.maximum_length == maximum


@given(contexts, st.sets(uids))
def test_each_context_is_answered_once_and_only_with_what_was_proposed(
    proposed: list[tuple[int, str, list[str]]], ours: set[str]
) -> None:
    taken = {abstract: [*ours, *syntaxes[1:]] for _, abstract, syntaxes in proposed[::2]}
    offer = Offer(taken, frozenset(), UserInformation())
    asked = tuple(ProposedContext(number, abstract, tuple(syntaxes)) for number, abstract, syntaxes in proposed)
    twice = AssociateRequest(b"", b"", contexts=(*asked, *asked))
    answer = offer.answer(twice)
    assert [context.context_id for context in answer.contexts] == [number for number, _, _ in proposed]
    for context, (_, abstract, syntaxes) in zip(answer.contexts, proposed, strict=True):
        assert context.result in {0, 3, 4}
        if context.result == 0:
            assert context.transfer_syntax in syntaxes
        elif context.result == 3:
            assert abstract not in offer.transfer_syntaxes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A listener that all odd requests are tried on."""
    with listening(tmp_path_factory.mktemp("odd")) as listener:
        yield listener


@pytest.mark.proves(Invariant.EVERY_REQUEST_ANSWERED)
@pytest.mark.parametrize("odd", ODD_REQUESTS, ids=lambda odd: odd.name)
def test_an_odd_request_is_accepted_or_rejected_with_the_code_of_the_standard(
    site: Site, odd: OddRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """PS3.8 sections 9.3.1 to 9.3.4."""
    site.listener._entity.terms.access.warnings._windows.clear()  # else lines of other requests would count
    if odd.rejected is not None:
        with pytest.raises(Ended, match="PDU type 3: 00" + bytes(odd.rejected).hex()):
            RawAssociation(site.port, request=odd.encoded, timeout_s=5)
        wait_until(lambda: "refused" in caplog.text, "it is told", 5)
        (line,) = {record.getMessage() for record in caplog.records if "refused" in record.getMessage()} or {""}
        assert " of '" in line, "the calling AE title stands in the log"
        assert " to '" in line, "the called AE title stands in the log"
        return
    with RawAssociation(site.port, request=odd.encoded, timeout_s=5) as association:
        accepted = accepted_contexts(answered(association.accepted))
        if odd.context_id is None:
            assert accepted == []
        else:
            assert odd.context_id in accepted
            uid = f"2.25.{1 + ODD_REQUESTS.index(odd)}"
            association.request(store_command(CR, uid), header(uid), odd.context_id)
            assert association.message().number(0x0900) == 0x0000
        association.release()


def test_no_thread_is_left_of_all_odd_requests(site: Site) -> None:
    for odd in ODD_REQUESTS:
        try:
            RawAssociation(site.port, request=odd.encoded, timeout_s=5).connection.close()
        except Ended:
            continue
    wait_until(lambda: site.listener._entity.connections == [], "their threads end", 10)


@pytest.mark.parametrize(
    ("first", "reason", "said"),
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 1, "it speaks HTTP", id="a browser: unrecognized PDU"),
        pytest.param(b"\x16\x03\x01\x02\0\1\0", 1, "listener.tls.port", id="TLS on the plain port"),
        pytest.param(b"\x04\0\0\0\0\x06\0\0\0\2\1\3", 2, "before it asked", id="data first: unexpected PDU"),
        pytest.param(b"\x05\0\0\0\0\4\0\0\0\0", 2, "before it asked", id="a release first: unexpected PDU"),
    ],
)
def test_an_abort_names_its_reason_and_the_log_what_came(
    site: Site, first: bytes, reason: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """PS3.8 Table 9-26: source 2 is the service provider, and its reason is significant."""
    caplog.clear()
    site.listener._entity.terms.access.warnings._windows.clear()
    with socket.create_connection(("127.0.0.1", site.port), timeout=5) as connection:
        connection.sendall(first)
        answer = b""
        while len(answer) < 10 and (piece := connection.recv(10 - len(answer))):
            answer += piece
    assert answer == struct.pack(">BBLBBBB", 7, 0, 4, 0, 0, 2, reason)
    wait_until(lambda: said in caplog.text, "the log says what came", 5)


@pytest.mark.parametrize("codes", [b"\0\0\t\x63", b"", b"\0\0\2\2", b"\0\0\1\3junk"])
def test_an_abort_ends_an_association_whatever_its_codes(
    site: Site, codes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    with RawAssociation(site.port) as association:
        association.connection.sendall(pdu(0x07, codes))
        wait_until(lambda: site.listener._entity.connections == [], "its thread ends", 5)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_peer_s_maximum_length_is_kept_in_what_it_is_sent(tmp_path: Path) -> None:
    """PS3.8 Annex D.1: no P-DATA-TF PDU has a longer variable field."""
    odd = next(odd for odd in ODD_REQUESTS if odd.name == "Maximum Length of 8")
    with listening(tmp_path) as site, RawAssociation(site.port, request=odd.encoded, timeout_s=5) as association:
        association.begin()
        association.connection.sendall(data_pdu(1, 0x02, header()))
        command, sizes = b"", []
        while True:
            kind, body = association.receive()
            assert kind == 0x04
            sizes.append(len(body))
            command += body[6:]
            if body[5] & 0x02:
                break
        assert max(sizes) <= 8
