"""The tables of the DICOM conformance statement."""

from functools import cache

from pydicom.uid import UID
from pynetdicom.ae import ApplicationEntity

from docs.tables import table
from service.dicom import contexts, scu
from service.dicom.commitment.associations import AskingAssociation, TellingAssociation
from service.report import codes
from service.settings import DestinationSettings, ListenerSettings
from service.texts import texts_in
from service.vocabulary import sop_classes
from service.vocabulary.commitment import FailureReason
from service.vocabulary.concepts import Concept
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import OWN_SCHEME, ReportKind
from service.vocabulary.uids import IMPLEMENTATION_CLASS_UID

_NOBODY = DestinationSettings(name="nobody", ae_title="NOBODY", host="127.0.0.1", port=1)
_SCHEMES = {"DCM": "DICOM", "SCT": "SNOMED CT", "LN": "LOINC", "UCUM": "UCUM", "RFC5646": "RFC 5646"}


def _named(uid: str) -> tuple[str, str]:
    return UID(uid).name, f"`{uid}`"


def storage_scp() -> str:
    """Return what is accepted of a peer: SOP classes, and which of the two sets of transfer syntaxes."""
    plain = {str(uid) for uid in contexts.PLAIN_TRANSFER_SYNTAXES}
    rows = []
    for sop_class, syntaxes in contexts.accepted().items():
        role = "SCP and SCU" if sop_class == sop_classes.STORAGE_COMMITMENT else "SCP"
        if sop_class in (sop_classes.VERIFICATION, sop_classes.STORAGE_COMMITMENT):
            accepted = " and ".join(UID(uid).name for uid in syntaxes)
        else:
            accepted = "plain" if {str(uid) for uid in syntaxes} == plain else "plain and encapsulated"
        rows.append((*_named(sop_class), role, accepted))
    return table(("SOP class", "UID", "role", "transfer syntaxes"), rows)


def transfer_syntaxes() -> str:
    """Return the two sets of transfer syntaxes."""
    sets = {"plain": contexts.PLAIN_TRANSFER_SYNTAXES, "encapsulated": contexts.ENCAPSULATED_TRANSFER_SYNTAXES}
    return table(
        ("set", "transfer syntax", "UID"), [(name, *_named(uid)) for name, syntaxes in sets.items() for uid in syntaxes]
    )


@cache
def _requesting_entity() -> ApplicationEntity:
    return scu.DestinationAssociation(_NOBODY, "AUSCULT")._ae  # noqa: SLF001 - what is proposed, asked of what proposes it


def _proposed(entity: ApplicationEntity) -> dict[str, list[str]]:
    """Return the transfer syntaxes that are proposed for each SOP class, each in a presentation context of its own."""
    found: dict[str, list[str]] = {}
    for context in entity.requested_contexts:
        found.setdefault(str(context.abstract_syntax), []).extend(context.transfer_syntax or [])
    return found


def commitment_associations() -> str:
    """Return what is proposed on the associations that we open for storage commitment."""
    associations = (
        ("to a destination, to ask", "SCU", AskingAssociation(_NOBODY, "AUSCULT", lambda _: 0)),
        ("to a peer, to answer", "SCP, by role selection", TellingAssociation(_NOBODY, "AUSCULT")),
    )
    rows = [
        (purpose, *_named(sop_class), role)
        for purpose, role, association in associations
        for sop_class in _proposed(association._ae)  # noqa: SLF001 - the same
    ]
    return table(("association", "SOP class", "UID", "our role"), rows)


def failure_reasons() -> str:
    """Return the reasons why an instance is not committed to."""
    return table(
        ("Failure Reason", "name"),
        [(f"`0x{reason:04X}`", reason.name.lower().replace("_", " ")) for reason in FailureReason],
    )


def storage_scu() -> str:
    """Return what is proposed to a destination."""
    rows = [
        (*_named(sop_class), "SCU", ", ".join(UID(uid).name for uid in transfer_syntaxes))
        for sop_class, transfer_syntaxes in _proposed(_requesting_entity()).items()
    ]
    return table(("SOP class", "UID", "role", "transfer syntaxes"), rows)


def identification() -> str:
    """Return how each of our application entities names its implementation."""
    entity = _requesting_entity()
    rows = [
        ("acceptor (listener)", f"`{IMPLEMENTATION_CLASS_UID}`", contexts.IMPLEMENTATION_VERSION_NAME),
        (
            "requestor (delivery)",
            f"`{entity.implementation_class_uid}`",
            str(entity.implementation_version_name),
        ),
    ]
    return table(("role", "Implementation Class UID", "Implementation Version Name"), rows)


def association_limits() -> str:
    """Return the defaults of the acceptor's limits."""
    names = (
        "ae_title",
        "port",
        "maximum_associations",
        "maximum_associations_per_peer",
        "maximum_pdu_bytes",
        "maximum_object_bytes",
        "acse_timeout",
        "dimse_timeout",
        "minimum_bytes_per_second",
        "network_timeout",
    )
    fields = ListenerSettings.model_fields
    rows = [(f"`listener.{name}`", f"`{fields[name].default}`", fields[name].description or "") for name in names]
    return table(("setting", "default", "meaning"), rows)


def final_statuses() -> str:
    """Return the C-STORE statuses of a destination after which its report is not sent again."""
    final = ", ".join(f"`0x{status:04X}`" for status in sorted(scu._PERMANENT))  # noqa: SLF001 - the table itself
    return f"`0xA9xx`, `0xCxxx`, {final}"


def _concepts(own: bool) -> list[Concept]:
    found: dict[tuple[str, str], Concept] = {}
    for value in vars(codes).values():
        for concept in value.values() if isinstance(value, dict) else [value]:
            if isinstance(concept, Concept) and (concept.scheme == OWN_SCHEME) is own:
                found[concept.scheme, concept.value] = concept
    return [found[key] for key in sorted(found)]


def report_kinds() -> str:
    """Return the objects that are made for an image, one row for each kind."""
    say = texts_in(Language.ENGLISH)
    rows = []
    for kind in ReportKind:
        classes = ", else ".join(UID(uid).name.removesuffix(" Storage") for uid in kind.sop_classes)
        title = kind.document_title
        named = f"{title.meaning} ({title.value}, {title.scheme})" if title else ""
        rows.append((say.of(kind), f"`{kind}`", classes, str(kind.series_number), named))
    return table(("object", "in `reports`", "SOP class", "Series Number", "document title"), rows)


def own_codes() -> str:
    """Return the concepts of our private coding scheme."""
    return table(
        ("code value", "code meaning"), [(f"`{concept.value}`", concept.meaning) for concept in _concepts(own=True)]
    )


def standard_codes() -> str:
    """Return the concepts of other coding schemes that occur in reports."""
    rows = [(_SCHEMES[concept.scheme], f"`{concept.value}`", concept.meaning) for concept in _concepts(own=False)]
    return table(("scheme", "code value", "code meaning"), rows)
