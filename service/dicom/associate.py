"""PDUs that begin or abort an association: a reader that is strict about lengths and nothing else, and a writer.

PS3.8 section 9.3.1 wants items of unknown types skipped, Table 9-11 bit 0 of the protocol version tested alone, and
reserved bytes never. Devices pad AE titles and UIDs with NUL, leave items out and write others twice; who reads decides
what to make of it, and can tell the peer by a rejection. An item that would end after what holds it is no association
request; an optional sub-item whose inside is broken is one of unknown type.

References
----------
PS3.8 sections 9.3.2 and 9.3.3, Annex D.1; PS3.7 Annex D.3.3
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from service.dicom.identity import is_valid_uid

#: The one application context name (PS3.7 Annex A.2.1).
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

_APPLICATION_CONTEXT, _USER_INFORMATION = 0x10, 0x50
_PROPOSED_CONTEXT, _ANSWERED_CONTEXT = 0x20, 0x21
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_MAXIMUM_LENGTH, _IMPLEMENTATION_CLASS_UID, _IMPLEMENTATION_VERSION_NAME = 0x51, 0x52, 0x55
_ROLE_SELECTION, _USER_IDENTITY = 0x54, 0x58

#: Of the service provider (PS3.8 Table 9-26).
_ABORT_REASONS = {0, 1, 2, 4, 5, 6}
#: Protocol version, AE titles and reserved bytes, before the items.
_FIXED_BYTES = 68
#: A peer that takes less than this in a PDU could not be sent anything: a fragment has six bytes before its data.
_LEAST_MAXIMUM_LENGTH = 8


class InvalidAssociate(ValueError):
    """A length in an A-ASSOCIATE PDU is wrong; its text never quotes what the peer sent."""


@dataclass(frozen=True)
class ProposedContext:
    """A presentation context of a request; UIDs without padding, valid or not."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True)
class AnsweredContext:
    """A presentation context of an answer; result 0 is acceptance (PS3.8 Table 9-18)."""

    context_id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True)
class UserIdentity:
    """A user identity sub-item of a request (PS3.7 Table D.3-14)."""

    kind: int
    primary_field: bytes
    secondary_field: bytes


@dataclass(frozen=True)
class UserInformation:
    """What both sides say of themselves.

    Attributes
    ----------
    maximum_length
        Most bytes of a P-DATA-TF PDU's variable field that it takes; 0 is no limit, and so is what it did not say.
    roles
        SCU and SCP role by SOP Class UID (PS3.7 Annex D.3.3.4).
    """

    maximum_length: int = 0
    implementation_class_uid: str = ""
    implementation_version_name: str = ""
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    user: UserIdentity | None = None


@dataclass(frozen=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ PDU (PS3.8 Table 9-11).

    Attributes
    ----------
    called, calling
        The fields as they came, which the answer repeats (PS3.8 Table 9-17): 16 bytes each.
    """

    called: bytes
    calling: bytes
    protocol_version: int = 1
    application_context: str = APPLICATION_CONTEXT
    contexts: tuple[ProposedContext, ...] = ()
    information: UserInformation = UserInformation()

    @property
    def called_ae_title(self) -> str:
        """What the peer calls us, in printable ASCII and without padding."""
        return ae_title(self.called)

    @property
    def calling_ae_title(self) -> str:
        """What the peer calls itself, in printable ASCII and without padding."""
        return ae_title(self.calling)


@dataclass(frozen=True)
class AssociateAnswer:
    """An A-ASSOCIATE-AC PDU (PS3.8 Table 9-17), without the AE titles, which nobody tests."""

    contexts: tuple[AnsweredContext, ...]
    information: UserInformation


def ae_title(encoded: bytes) -> str:
    """Return an AE title; it ends at a NUL, spaces around it do not count, and strange characters become ``?``."""
    text = encoded.partition(b"\0")[0].strip(b" ")
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in text)


def read_titles(body: bytes) -> tuple[bytes, bytes]:
    """Return the called and the calling AE title's fields, as far as there are any."""
    return body[4:20], body[20:36]


def read_request(body: bytes) -> AssociateRequest:
    """Read the body of an A-ASSOCIATE-RQ PDU.

    Raises
    ------
    InvalidAssociate
        When a length in it is wrong.
    """
    application_context, contexts, information = "", list[ProposedContext](), list[bytes]()
    for kind, value in _items(_variable(body)):
        if kind == _APPLICATION_CONTEXT:
            application_context = application_context or _uid(value)
        elif kind == _PROPOSED_CONTEXT and value:
            contexts.append(_proposed(value))
        elif kind == _USER_INFORMATION:
            information.append(value)
    called, calling = read_titles(body)
    version = int.from_bytes(body[:2], "big")
    return AssociateRequest(called, calling, version, application_context, tuple(contexts), _information(information))


def read_answer(body: bytes) -> AssociateAnswer:
    """Read the body of an A-ASSOCIATE-AC PDU.

    Raises
    ------
    InvalidAssociate
        When a length in it is wrong.
    """
    contexts, information = list[AnsweredContext](), list[bytes]()
    for kind, value in _items(_variable(body)):
        if kind == _ANSWERED_CONTEXT and len(value) >= 3:
            syntaxes = [_uid(syntax) for sub, syntax in _items(value[4:]) if sub == _TRANSFER_SYNTAX]
            contexts.append(AnsweredContext(value[0], value[2], syntaxes[0] if syntaxes else ""))
        elif kind == _USER_INFORMATION:
            information.append(value)
    return AssociateAnswer(tuple(contexts), _information(information))


def encode_answer(answer: AssociateAnswer, called: bytes, calling: bytes) -> bytes:
    """Return an A-ASSOCIATE-AC PDU.

    Parameters
    ----------
    called, calling
        The request's fields, which are repeated.
    """
    contexts = b"".join(
        _item(
            _ANSWERED_CONTEXT,
            bytes((context.context_id, 0, context.result, 0))
            + _item(_TRANSFER_SYNTAX, context.transfer_syntax.encode("ascii")),
        )
        for context in answer.contexts
    )
    said = answer.information
    information = _item(_MAXIMUM_LENGTH, struct.pack(">L", said.maximum_length))
    information += _item(_IMPLEMENTATION_CLASS_UID, said.implementation_class_uid.encode("ascii"))
    for uid, (scu, scp) in said.roles.items():
        value = uid.encode("ascii")
        information += _item(_ROLE_SELECTION, struct.pack(">H", len(value)) + value + bytes((scu, scp)))
    if said.implementation_version_name:
        information += _item(_IMPLEMENTATION_VERSION_NAME, said.implementation_version_name.encode("ascii")[:16])
    head = struct.pack(">HH", 1, 0) + called[:16].ljust(16) + calling[:16].ljust(16) + bytes(32)
    body = head + _item(_APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode("ascii")) + contexts
    body += _item(_USER_INFORMATION, information)
    return struct.pack(">BBL", 0x02, 0, len(body)) + body


def abort_body(body: bytes) -> bytes:
    """Return the body of an A-ABORT PDU with a source and a reason that PS3.8 has (Table 9-26), whatever it said."""
    source, reason = body[2:4].ljust(2, b"\0")
    return bytes((0, 0, source if source in {0, 2} else 0, reason if source == 2 and reason in _ABORT_REASONS else 0))


def _variable(body: bytes) -> bytes:
    if len(body) < _FIXED_BYTES:
        raise InvalidAssociate(f"it ends after {len(body)} bytes, within its fixed fields")
    return body[_FIXED_BYTES:]


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the type and the value of each item."""
    position = 0
    while position < len(encoded):
        value = position + 4
        if value > len(encoded):
            raise InvalidAssociate("an item ends within its header")
        end = value + int.from_bytes(encoded[position + 2 : value], "big")
        if end > len(encoded):
            raise InvalidAssociate(f"an item of type 0x{encoded[position]:02X} is longer than what holds it")
        yield encoded[position], encoded[value:end]
        position = end


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _proposed(value: bytes) -> ProposedContext:
    abstract, transfer = list[str](), list[str]()
    for kind, uid in _items(value[4:]):
        if kind == _ABSTRACT_SYNTAX:
            abstract.append(_uid(uid))
        elif kind == _TRANSFER_SYNTAX:
            transfer.append(_uid(uid))
    return ProposedContext(value[0], abstract[0] if abstract else "", tuple(transfer))


def _information(items: list[bytes]) -> UserInformation:
    maximum_length, class_uid, version_name = 0, "", ""
    roles: dict[str, tuple[bool, bool]] = {}
    user = None
    for kind, value in (item for encoded in items for item in _items(encoded)):
        if kind == _MAXIMUM_LENGTH and len(value) == 4:
            stated = int.from_bytes(value, "big")
            maximum_length = stated if stated >= _LEAST_MAXIMUM_LENGTH else 0
        elif kind == _IMPLEMENTATION_CLASS_UID:
            class_uid = _uid(value)
        elif kind == _IMPLEMENTATION_VERSION_NAME:
            version_name = ae_title(value)[:16]
        elif kind == _ROLE_SELECTION:
            roles |= _role(value)
        elif kind == _USER_IDENTITY:
            user = user or _user(value)
    return UserInformation(maximum_length, class_uid, version_name, roles, user)


def _role(value: bytes) -> dict[str, tuple[bool, bool]]:
    length = int.from_bytes(value[:2], "big")
    uid, roles = _uid(value[2 : 2 + length]), value[2 + length :]
    return {uid: (bool(roles[0]), bool(roles[1]))} if len(roles) >= 2 and is_valid_uid(uid) else {}


def _user(value: bytes) -> UserIdentity | None:
    fields = []
    position = 2
    for _ in range(2):
        end = position + 2 + int.from_bytes(value[position : position + 2], "big")
        if end > len(value):
            return None
        fields.append(value[position + 2 : end])
        position = end
    return UserIdentity(value[0], *fields)


def _uid(encoded: bytes) -> str:
    return encoded.strip(b"\0 ").decode("ascii", "replace").replace("\ufffd", "?")
