"""HL7 v2: what the AI says of a study as ORU^R01, and that a priority rose as ORM^O01 or OMI^O23.

Each message of a result tells all that stands of the study for this receiver, image by image, so that none overwrites
another. Source: HL7 Version 2.5.1, chapters 4 (orders) and 7 (observations); IHE RAD TF-2 for OBR-18 and the UID of the
study (113014, DCM).
"""

from collections.abc import Iterator, Sequence

from service.hl7.encoding import encoded, header, parts, segment, text, timestamp
from service.hl7.own import filler_number
from service.ledger import DueMessage
from service.ledger.views import InstanceView, ReadingView, ResultView, StudyHistory
from service.report import codes
from service.settings import Settings
from service.settings.receivers import Hl7Settings, Verdict
from service.texts import texts_in
from service.vocabulary.concepts import Concept
from service.vocabulary.facts import MessageEvent
from service.vocabulary.findings import Outcome
from service.vocabulary.identity import Identity
from service.vocabulary.orders import accession_of
from worker.channels.hl7_wire import MllpConnection, accepted
from worker.channels.told import Image, Status, images_left, images_told
from worker.channels.words import reason_words, result_sentence, withdrawal_sentence

_IMPRESSION = "19005-8^Radiology Imaging study [Impression]^LN"
_STUDY = "113014^DICOM Study^DCM"
#: Table 0085. What was told before of the same order is corrected; what was told of another is taken back.
_STATUS = {Status.NEW: "P", Status.CORRECTED: "C", Status.WITHDRAWN: "D"}


class Hl7Channel:
    """Tells one receiver by HL7 v2 over MLLP; used by one thread."""

    def __init__(self, settings: Settings, receiver: Hl7Settings) -> None:
        self._receiver = receiver
        self._say = texts_in(receiver.language or settings.report.language)
        self._connection = MllpConnection(receiver)

    def build(self, message: DueMessage, study: StudyHistory) -> bytes | None:
        """Return a message, or None when the event says nothing to this receiver."""
        segments: list[str] | None = None
        match message.event:
            case MessageEvent.RESULT:
                images = images_told(message, study, self._receiver.name)
                segments = self._result(message, images, study.study.reading) if images else None
            case MessageEvent.RESULT_SUPERSEDED:
                images = images_left(message, study, self._receiver.name)
                segments = self._result(message, images) if images else None
            case MessageEvent.PRIORITY_RAISED:
                segments = self._priority(message)
        return encoded(segments, self._receiver.character_set) if segments is not None else None

    def send(self, message: DueMessage, payload: bytes) -> str:
        """Send a message and wait for its acknowledgement.

        Raises
        ------
        TransientDeliveryFailure
            When the receiver is away, or refuses the message for a reason that may pass.
        PermanentDeliveryFailure
            When it refuses the message for what it is.
        """
        return accepted(self._connection.exchange(payload, message.message_id))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _result(self, message: DueMessage, images: Sequence[Image], reading: ReadingView | None = None) -> list[str]:
        """Return ORU^R01 with what stands of a study's images, or with what does no longer."""
        is_deleted = all(image.status is Status.WITHDRAWN for image in images)
        corrects = any(image.status is not Status.NEW for image in images)
        observations = [
            *self._summary(message, images, reading),
            *(line for image in images for line in self._image(image)),
        ]
        request = self._request(message) | {
            22: timestamp(message.occurred_at),
            # Table 0123: no result is available any more, corrected, or preliminary; a final one is a person's.
            25: "X" if is_deleted else "C" if corrects else "P",
        }
        return [
            self._header(message, "ORU^R01^ORU_R01"),
            _patient(message.instance.identity),
            segment("ORC", {1: "RE", 3: request[3]}),
            segment("OBR", request),
            segment("TQ1", {1: "1", 9: self._priority_code(message, images)}),
            *(segment("OBX", {1: str(number), **fields}) for number, fields in enumerate(observations, 1)),
        ]

    def _priority(self, message: DueMessage) -> list[str]:
        """Return the message that a study's priority rose."""
        request, code = self._request(message), text(self._receiver.priority_codes.of(message.priority))
        order = {1: text(self._receiver.order_control), 3: request[3], 9: timestamp(message.occurred_at)}
        patient = _patient(message.instance.identity)
        if self._receiver.priority_message == "ORM":
            request[27] = f"^^^^^{code}"
            return [self._header(message, "ORM^O01^ORM_O01"), patient, segment("ORC", order), segment("OBR", request)]
        accession = request[18] or '""'
        return [
            self._header(message, "OMI^O23^OMI_O23"),
            patient,
            segment("ORC", order),
            segment("TQ1", {1: "1", 9: code}),
            segment("OBR", request),
            segment("IPC", {1: accession, 2: accession, 3: message.study_instance_uid, 4: accession}),
        ]

    def _header(self, message: DueMessage, kind: str) -> str:
        receiver = self._receiver
        return header(
            {
                3: text(receiver.sending_application),
                4: text(receiver.sending_facility),
                5: text(receiver.receiving_application),
                6: text(receiver.receiving_facility),
                7: timestamp(message.occurred_at),
                9: kind,
                10: message.message_id,
                11: receiver.processing_id,
                12: "2.5.1",
                18: receiver.character_set,
            }
        )

    def _request(self, message: DueMessage) -> dict[int, str]:
        """Return the fields of OBR that say which study it is."""
        accession = message.instance.identity.accession_number
        filler = filler_number(message.study_instance_uid, text(accession))
        received = timestamp(message.instance.received_at)
        return {1: "1", 3: filler, 4: self._receiver.service, 7: received, 18: text(accession_of(accession))}

    def _priority_code(self, message: DueMessage, images: Sequence[Image]) -> str:
        for image in images:
            for verdict in _verdicts(image) if image.status is not Status.WITHDRAWN else ():
                if verdict in self._receiver.result_priorities:
                    return text(self._receiver.result_priorities[verdict])
        return text(self._receiver.priority_codes.of(message.priority))

    def _summary(
        self, message: DueMessage, images: Sequence[Image], reading: ReadingView | None
    ) -> Iterator[dict[int, str]]:
        """Yield what is said of the study: its UID, and the result in words, the gravest first."""
        status = images[0].status if len({image.status for image in images}) == 1 else Status.CORRECTED
        numbered = len(images) > 1
        lines = [
            f"[{image.number}] {line}" if numbered else line for image in images for line in self._words(message, image)
        ]
        if reading is not None and reading.at < message.occurred_at:
            lines.append(f"AI: {self._say('report.after_reading')}")
        lines += [self._say("report.status"), self._say("report.disclaimer")]
        yield {2: "HD", 3: _STUDY, 4: "0", 5: message.study_instance_uid, 11: _STATUS[status]}
        yield {2: "TX", 3: _IMPRESSION, 4: "0", 5: "~".join(map(text, lines)), 11: _STATUS[status]}

    def _words(self, message: DueMessage, image: Image) -> Iterator[str]:
        if image.status is Status.WITHDRAWN:
            yield f"AI: {withdrawal_sentence(self._say, message)}"
            return
        own = next((said for one in _verdicts(image) if (said := self._receiver.result_texts.get(one))), None)
        yield own or f"AI: {result_sentence(self._say, image.view)}"
        for flag in image.view.flags:
            yield f"AI: {self._say.of(flag)}"

    def _image(self, image: Image) -> Iterator[dict[int, str]]:
        """Yield what is said of one image, under its number as Observation Sub-ID."""
        view, result = image.view, image.view.result
        common = {4: str(image.number), 11: _STATUS[image.status]}
        if view.analysed_at is not None:
            common[14] = timestamp(view.analysed_at)
        if result is not None:
            common[17] = parts(result.checkpoint_name, result.checkpoint_version, "99AUSCULT")
        yield {2: "ST", 3: _code(codes.SOURCE_IMAGE), 5: view.sop_instance_uid, **common}
        if image.status is Status.WITHDRAWN:
            common[5] = '""'
        for fields in (
            _result_fields(result) if result is not None else [_not_analysed(view, reason_words(self._say, view))]
        ):
            yield {**fields, **common}


def _not_analysed(view: InstanceView, words: str) -> dict[int, str]:
    return {2: "CWE", 3: _code(codes.OUT_OF_SCOPE), 5: parts(view.reason or "", words, "99AUSCULT"), 8: "A"}


def _result_fields(result: ResultView) -> Iterator[dict[int, str]]:
    """Yield assessment, probability and, of a positive, the finding; nothing here says that an image is normal."""
    doubtful = "" if result.outcome is Outcome.NEGATIVE else "A"
    value = _code(codes.ASSESSMENT_VALUE[result.outcome])
    yield {2: "CWE", 3: _code(codes.ASSESSMENT), 5: value, 8: doubtful}
    probability = f"{100 * result.p_pneumonia:.4f}"
    yield {2: "NM", 3: _code(codes.P_PNEUMONIA), 5: probability, 6: _code(codes.PERCENT), 8: doubtful}
    if result.outcome is Outcome.POSITIVE:
        yield {2: "CWE", 3: _code(codes.FINDING), 5: _code(codes.PNEUMONIA[result.pneumonia_type]), 8: doubtful}


def _code(concept: Concept) -> str:
    return parts(concept.value, concept.meaning, concept.scheme)


def _verdicts(image: Image) -> Iterator[Verdict]:
    """Yield what an image's own text or code is looked up by: the type of a positive, then its outcome."""
    result = image.view.result
    if result is not None and result.outcome is Outcome.POSITIVE and result.pneumonia_type is not None:
        yield result.pneumonia_type.name.lower()  # type: ignore[misc]
    yield image.outcome.name.lower()  # type: ignore[misc]


def _patient(identity: Identity) -> str:
    sex = identity.sex if identity.sex in ("M", "F", "O") else "U"
    known = parts(identity.patient_id, "", "", identity.issuer_of_patient_id) if identity.patient_id else '""'
    birth = identity.birth_date if identity.birth_date.isdecimal() else ""
    return segment("PID", {1: "1", 3: known, 5: _person(identity.patient_name), 7: birth, 8: sex})


def _person(name: str) -> str:
    """Return a name as XPN: a repetition for each of the groups of characters of DICOM (PS3.5 section 6.2, PN)."""
    groups = zip(name.split("="), ("A", "I", "P"), strict=False)
    written = []
    for group, representation in groups:
        family, given, middle, prefix, suffix = [*group.split("^"), "", "", "", "", ""][:5]
        if group.strip("^ "):
            written.append(parts(family, given, middle, suffix, prefix, "", "L", representation))
    return "~".join(written) or '""'
