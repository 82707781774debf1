"""One Store request: its body is taken apart while it arrives, and each part streams into intake like a C-STORE.

An instance is durable, or refused, when its part has ended; nothing of the body is kept in memory. A body that breaks
off leaves the instances whose parts were whole, and a sender that comes again finds them known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.dicomweb.file_meta import MAXIMUM_HEAD_BYTES, FileMeta, file_meta
from service.intake import AnnouncedInstance, Reception
from service.storing import StorageAnswer, Storing
from service.vocabulary.errors import AuscultError, NotDicom, UnsupportedSopClass, UnsupportedTransferSyntax

#: Most instances of one request: the answer names each.
MOST_INSTANCES = 10_000
#: RFC 2046 has 70 at most; Orthanc's have 73.
_LONGEST_BOUNDARY = 200
_NO_FILE = FileMeta("", "", "", 0)


class BrokenBody(Exception):
    """The body is not what its header says."""


@dataclass(frozen=True)
class StoredInstance:
    """What became of a part; the UIDs are empty where it could not be made out what it holds."""

    sop_class_uid: str
    sop_instance_uid: str
    answer: StorageAnswer


@dataclass(frozen=True)
class StoreRequest:
    """Who sends a request, and what its address names.

    Attributes
    ----------
    study_instance_uid
        The only study that its instances may be of; empty where they may be of any.
    accepted
        Transfer syntaxes by SOP class.
    """

    ae_title: str
    address: str
    study_instance_uid: str
    accepted: Mapping[str, tuple[str, ...]]


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a body of DICOM files; None where the header announces another.

    References
    ----------
    PS3.18 section 8.6.1.2.1; RFC 2046 section 5.1.1; RFC 2387
    """
    kind, parameters = parse_options_header(content_type)
    boundary = parameters.get(b"boundary", b"")
    is_ours = kind == b"multipart/related" and parameters.get(b"type", b"application/dicom") == b"application/dicom"
    return boundary if is_ours and 0 < len(boundary) <= _LONGEST_BOUNDARY else None


class StoreTransaction:
    """Takes a body piece by piece.

    Attributes
    ----------
    instances
        What became of each part that has ended, in their order.
    """

    def __init__(self, storing: Storing, request: StoreRequest, boundary: bytes) -> None:
        self.instances: list[StoredInstance] = []
        self._storing = storing
        self._request = request
        self._head: bytearray | None = None
        self._reception: Reception | None = None
        self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": self._take,
                "on_part_end": self._finish,
                "on_end": self._end,
            },
        )

    def write(self, piece: bytes) -> None:
        """Take the next piece.

        Raises
        ------
        BrokenBody
            When no part ends or begins where one has to, or there are more than one request may have.
        """
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise BrokenBody from error

    def end(self) -> None:
        """Take note that nothing more comes.

        Raises
        ------
        BrokenBody
            When the last boundary has not come, or there was no part.
        """
        if not self._is_whole or not self.instances:
            raise BrokenBody

    def discard(self) -> None:
        """Forget the part that has not ended."""
        if self._reception is not None:
            self._reception.discard()
        self._reception = self._head = None

    def _begin(self) -> None:
        if len(self.instances) >= MOST_INSTANCES:
            raise BrokenBody
        self._head = bytearray()

    def _take(self, data: bytes, start: int, end: int) -> None:
        piece = memoryview(data)[start:end]
        if self._reception is not None:
            self._reception.write(piece)
        elif self._head is not None:
            self._head += piece
            self._look(is_whole=len(self._head) > MAXIMUM_HEAD_BYTES)

    def _look(self, *, is_whole: bool) -> None:
        """Open the reception once the head of the file has come."""
        head = self._head or bytearray()
        try:
            meta = file_meta(head, is_whole=is_whole)
            if meta is None:
                return
            self._open(meta, self._refusal(meta))
        except NotDicom as error:
            meta = _NO_FILE
            self._open(meta, error)
        if self._reception is not None:
            self._reception.write(head[meta.data_set_offset :])
        self._head = None

    def _open(self, meta: FileMeta, refusal: AuscultError | None) -> None:
        announced = AnnouncedInstance(
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=meta.sop_instance_uid,
            abstract_syntax_uid=meta.sop_class_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            calling_ae_title=self._request.ae_title,
            study_instance_uid=self._request.study_instance_uid,
        )
        self._reception = self._storing.begin(announced, refusal)

    def _refusal(self, meta: FileMeta) -> AuscultError | None:
        """Return what keeps an instance out whose presentation context a listener would refuse."""
        syntaxes = self._request.accepted.get(meta.sop_class_uid)
        if syntaxes is None:
            return UnsupportedSopClass()
        return None if meta.transfer_syntax_uid in syntaxes else UnsupportedTransferSyntax()

    def _finish(self) -> None:
        if self._reception is None:
            self._look(is_whole=True)
        reception = self._reception
        self._reception = None
        if reception is not None:
            answer = self._storing.finish(reception, self._request.address)
            said = reception.request
            self.instances.append(StoredInstance(said.sop_class_uid, said.sop_instance_uid, answer))

    def _end(self) -> None:
        self._is_whole = True
