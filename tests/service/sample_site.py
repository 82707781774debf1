"""A small site: a ledger with varied studies, written by the ledger itself on a clock that tests set."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from sqlalchemy import Engine, update

from service.ledger import (
    Arrival,
    ArrivalKind,
    ClaimedInstance,
    Ledger,
    NewReport,
    SentObject,
    Subscription,
    kept_counts,
)
from service.ledger.database import connect, reading, tables_problem, writing
from service.ledger.records import PredictionRecord
from service.objects import LocalStore
from service.settings import Settings
from service.texts import texts_in
from service.vocabulary.acquisition import UNKNOWN, Acquisition
from service.vocabulary.facts import Flag, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.identity import Identity
from service.vocabulary.language import Language
from service.vocabulary.states import DeliveryState, Priority
from service.vocabulary.uids import derive_uid
from tests import ledgers, phantoms

LEASE = timedelta(minutes=1)
ENGLISH = texts_in(Language.ENGLISH)
BANNER = ENGLISH("worklist.banner")
NO_PATTERN = ENGLISH("answer.result.negative")
LOWER, UPPER, PREVALENCE = 0.30, 0.62, 0.30


def prediction(p_pneumonia: float, *, kind: Finding | None = None) -> Prediction:
    """Make a result as a network with three classes would give it."""
    outcome = (
        Outcome.POSITIVE if p_pneumonia >= UPPER else Outcome.NEGATIVE if p_pneumonia < LOWER else Outcome.INDETERMINATE
    )
    return Prediction(
        outcome=outcome,
        probabilities={
            "NORMAL": 1 - p_pneumonia,
            "BACTERIA": p_pneumonia * 0.8,
            "VIRUS": p_pneumonia - p_pneumonia * 0.8,
        },
        findings={
            "NORMAL": Finding.NORMAL,
            "BACTERIA": Finding.BACTERIAL_PNEUMONIA,
            "VIRUS": Finding.VIRAL_PNEUMONIA,
        },
        p_pneumonia=p_pneumonia,
        pneumonia_type=kind,
        operating_point="balanced",
        lower=LOWER,
        upper=UPPER,
        prevalence=PREVALENCE,
        checkpoint_name="chest-resnet50",
        checkpoint_version="1.0.0",
        checkpoint_digest="ab12" * 16,
        transform="letterbox-224",
        input_digest="cd34" * 16,
        cam=np.full((7, 7), p_pneumonia, dtype=np.float32),
        runtime={"runtime": "onnxruntime", "threads": 2},
    )


@dataclass
class SampleSite:
    """A ledger and a store in a folder, and a clock that stands still until it is set."""

    folder: Path
    url: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    settings: Settings = field(init=False)
    engine: Engine = field(init=False)
    ledger: Ledger = field(init=False)
    store: LocalStore = field(init=False)
    subscriptions: tuple[Subscription, ...] = ()
    _seed: int = 0

    def __post_init__(self) -> None:
        database = {} if self.url is None else {"database": {"url": self.url}}
        self.settings = Settings(data_dir=self.folder, web={"port": 0}, **database)  # type: ignore[arg-type]
        self.folder.mkdir(parents=True, exist_ok=True)
        ledgers.prepare(self.settings.database_url)
        self.engine = connect(self.settings.database_url)
        self.ledger = Ledger(self.engine, clock=lambda: self.now, subscriptions=self.subscriptions)
        self.store = LocalStore(self.settings.objects_dir)

    def receive(
        self,
        *,
        at: datetime | None = None,
        order: Priority = Priority.ROUTINE,
        source: PrioritySource = PrioritySource.DEFAULT,
        ae: str = "CR_ROOM_1",
        kind: ArrivalKind = ArrivalKind.IMAGE,
        acquisition: Acquisition = UNKNOWN,
        final_evidence: frozenset[str] | None = None,
        **attributes: Any,
    ) -> Dataset:
        """Store and register a phantom; return its data set."""
        self.now = at or self.now
        self._seed += 1
        dataset = phantoms.chest(self._seed, **attributes)
        self.ledger.admission.register(
            Arrival(
                identity=identity_of(dataset),
                transfer_syntax_uid=str(ExplicitVRLittleEndian),
                stored=self.store.put(phantoms.encoded(dataset)),
                calling_ae_title=ae,
                kind=kind,
                acquisition=acquisition,
                order_priority=order,
                priority_source=source,
                final_evidence=final_evidence,
            )
        )
        return dataset

    def claim(self, attempts: int = 3) -> ClaimedInstance:
        """Claim the one image that waits."""
        (claimed,) = self.ledger.analysis.claim("worker", 1, LEASE, attempts)
        return claimed

    def infer(
        self, p_pneumonia: float, *flags: Flag, kind: Finding | None = None, superseding: Supersession | None = None
    ) -> None:
        """Analyse the one image that waits."""
        result = prediction(p_pneumonia, kind=kind)
        claim = self.claim()
        self.ledger.results.save_prediction(
            claim,
            result,
            pixel_digest=claim.object_key,
            flags=flags,
            priority=Priority.URGENT if result.outcome is Outcome.POSITIVE else Priority.ROUTINE,
            superseding_reason=superseding,
        )

    def calibrate(self, digest: str) -> None:
        """Let every result be one that a site's own calibration took part in."""
        with writing(self.engine) as session:
            session.execute(update(PredictionRecord).values(calibration_digest=digest))

    def exclude(self, reason: Reason, *, is_chest: bool = True) -> None:
        """Settle the one image that waits as not analysed."""
        claim = self.claim()
        self.ledger.results.save_out_of_scope(claim, reason, is_chest=is_chest, pixel_digest=claim.object_key, flags=())

    def fail(self, detail: str) -> None:
        """Let the one image that waits fail for good."""
        self.ledger.analysis.save_failure(self.claim(), detail, 1, self.now)

    def report(self, *destinations: str) -> None:
        """Build a text report and, for a positive result, a heat map for what is due."""
        for due in self.ledger.reporting.claim("builder", 10, LEASE):
            outcome = due.prediction.outcome if due.prediction else Outcome.NOT_ANALYSED
            kinds = ["text_sr", "secondary_capture"] if outcome is Outcome.POSITIVE else ["text_sr"]
            reports = [
                self._report(due.sop_instance_uid, due.object_key, kind, outcome, destinations) for kind in kinds
            ]
            self.ledger.reporting.save(due, reports)

    def _report(
        self, source_uid: str, object_key: str, kind: str, outcome: Outcome, destinations: tuple[str, ...]
    ) -> NewReport:
        uid = derive_uid(kind, outcome, object_key, source_uid)
        content = _heat_map(self.store.read(object_key)) if kind == "secondary_capture" else f"{kind} {uid}".encode()
        return NewReport(
            kind=kind,
            outcome=outcome,
            sop_class_uid=str(SecondaryCaptureImageStorage),
            sop_instance_uid=uid,
            series_instance_uid=derive_uid("series", kind, source_uid),
            object_key=self.store.put(content).key,
            destinations=destinations,
        )

    def deliver(self, destination: str, state: DeliveryState = DeliveryState.CONFIRMED) -> None:
        """Bring everything that waits for a destination to a state: sent, confirmed or dead."""
        outbox = self.ledger.outbox
        for due in outbox.claim("courier", destination, DeliveryState.PENDING, 100, LEASE):
            if state is DeliveryState.DEAD:
                outbox.save_dead(due, 0xA900, "the destination answered status 0xA900")
            else:
                outbox.save_sent([SentObject(due, 0x0000, confirm_at=self.now)])
        if state is DeliveryState.CONFIRMED:
            for due in outbox.claim("courier", destination, DeliveryState.SENT, 100, LEASE):
                outbox.save_confirmed([due])

    def close(self) -> None:
        """Close the ledger; whatever a test did to its rows, the counts that are kept are what counting finds."""
        if tables_problem(self.engine) is None:
            with reading(self.engine) as session:
                kept, counted = kept_counts.kept(session), dict(kept_counts._counted(session))
            assert kept == {key: count for key, count in counted.items() if count}
        self.engine.dispose()


def identity_of(dataset: Dataset) -> Identity:
    """Return the identity that a data set names."""
    return Identity(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        patient_id=str(dataset.PatientID),
        issuer_of_patient_id=str(dataset.get("IssuerOfPatientID", "")),
        patient_name=str(dataset.PatientName),
        birth_date=str(dataset.PatientBirthDate),
        sex=str(dataset.PatientSex),
        accession_number=str(dataset.AccessionNumber),
    )


def _heat_map(radiograph: bytes) -> bytes:
    """Return a Secondary Capture that is red where a heat map would be."""
    from io import BytesIO

    from pydicom import dcmread

    dataset = dcmread(BytesIO(radiograph))
    grey = (dataset.pixel_array / (2**dataset.BitsStored - 1) * 255).astype(np.uint8)
    rows, columns = grey.shape
    spot = np.zeros((rows, columns), np.float32)
    cv2.circle(spot, (int(columns * 0.68), int(rows * 0.56)), rows // 7, 1.0, -1)
    spot = cv2.GaussianBlur(spot, (0, 0), rows / 12)[..., None] * 0.6
    red = np.dstack([np.full_like(grey, 255), grey // 2, np.zeros_like(grey)])
    pixels = (np.dstack([grey] * 3) * (1 - spot) + red * spot).astype(np.uint8)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    return phantoms.encoded(dataset)


#: name, id, birth, sex, accession, minutes ago, probability; the result None waits.
_PATIENTS: list[tuple[str, str, date | None, str, str, float, float]] = [
    ("Okafor^Adaeze", "P-20417", date(2021, 4, 2), "F", "ACC-78112", 14, 0.962),
    ("Nguyễn^Văn An", "P-20388", date(2019, 3, 15), "M", "ACC-78097", 38, 0.884),
    ("Yamada^Tarou=山田^太郎", "P-20391", date(2020, 11, 30), "M", "ACC-78101", 31, 0.118),
    ("García Lorca^Inés", "P-20402", date(2022, 7, 9), "F", "ACC-78104", 27, 0.471),
    ("الأحمد^ليلى", "P-20405", date(2018, 1, 21), "F", "ACC-78106", 24, 0.052),
    ("Müller-Lüdenscheidt^Maximilian Alexander^^Dr.", "P-20409", date(2020, 5, 5), "M", "ACC-78107", 22, 0.734),
    ("O'Brien^Saoirse", "P-20411", date(2023, 2, 17), "F", "ACC-78108", 20, 0.203),
    ("Kowalska^Zofia", "P-20412", date(2021, 9, 1), "F", "ACC-78109", 19, 0.087),
    ("Ivanov^Дмитрий", "P-20413", date(2019, 12, 12), "M", "ACC-78110", 17, 0.998),
    ("Silva^João", "P-20415", date(2022, 3, 3), "M", "ACC-78111", 16, 0.344),
    ("Haddad^Yusuf", "P-20420", None, "M", "ACC-78114", 12, 0.161),
    ("Lindqvist^Astrid", "P-20421", date(2020, 8, 8), "F", "ACC-78115", 11, 0.025),
    ("Smith^John", "P-20426", date(2019, 10, 10), "M", "", 7, 0.290),
    ("Achterberg^Fenna", "P-20380", date(2018, 4, 19), "F", "ACC-78090", 95, 0.140),
    ("Baptiste^Rose", "P-20377", date(2020, 2, 2), "F", "ACC-78088", 132, 0.077),
]


def busy_morning(folder: Path, url: str | None = None, rows: int = 64, columns: int = 48) -> SampleSite:
    """Return a site with every kind of study that the worklist can show; its images are rows x columns."""
    site = SampleSite(folder, url)
    end = site.now

    def ago(minutes: float) -> datetime:
        return end - timedelta(minutes=minutes)

    size: dict[str, Any] = {"rows": rows, "columns": columns}
    for name, patient_id, birth, sex, accession, minutes, p_pneumonia in _PATIENTS:
        emergency = patient_id in ("P-20409", "P-20421")
        site.receive(
            at=ago(minutes),
            order=Priority.STAT if emergency else Priority.ROUTINE,
            source=PrioritySource.AE_TITLE if emergency else PrioritySource.DEFAULT,
            ae="ED_XRAY" if emergency else "CR_ROOM_1",
            patient_name=name,
            patient_id=patient_id,
            birth_date=birth,
            age=None,
            patient_sex=sex,
            accession_number=accession,
            **size,
        )
        site.now = ago(minutes - 0.03)
        site.infer(
            p_pneumonia,
            *(() if birth else (Flag.AGE_UNKNOWN,)),
            kind=Finding.BACTERIAL_PNEUMONIA if p_pneumonia > 0.9 else None,
        )
        site.report("pacs", "archive") if p_pneumonia > 0.9 else site.report("pacs")
        site.now = ago(minutes - 0.05)
        site.deliver("pacs")
    site.now = ago(5)
    site.deliver("archive", DeliveryState.DEAD)
    _exceptions(site, ago, size)
    site.now = end
    return site


def _exceptions(site: SampleSite, ago: Any, size: dict[str, Any]) -> None:
    """Add what is not analysed, failed, held, replaced, in two views, and what waits."""
    common: dict[str, Any] = {"age": None, **size}
    site.receive(
        at=ago(26),
        patient_name="Moreau^Élise",
        patient_id="P-20403",
        accession_number="ACC-78105",
        view_position="LL",
        **common,
    )
    site.exclude(Reason.LATERAL_VIEW)
    site.report("pacs")
    site.deliver("pacs")
    frontal = site.receive(
        at=ago(18), patient_name="Bianchi^Luca", patient_id="P-20414", accession_number="ACC-78113", **common
    )
    site.infer(0.107)
    site.report("pacs")
    site.receive(
        at=ago(17.5),
        patient_name="Bianchi^Luca",
        patient_id="P-20414",
        accession_number="ACC-78113",
        view_position="LL",
        study_instance_uid=str(frontal.StudyInstanceUID),
        **common,
    )
    site.exclude(Reason.LATERAL_VIEW)
    site.deliver("pacs")
    site.receive(at=ago(8), patient_name="Petrov^Ana", patient_id="P-20425", accession_number="ACC-78119", **common)
    site.fail("the pixel data cannot be decoded")
    site.report("pacs")
    first = site.receive(
        at=ago(10), patient_name="Rossi^Giulia", patient_id="P-20422", accession_number="ACC-78116", **common
    )
    site.infer(0.911)
    site.report("pacs")
    site.receive(
        at=ago(9.5),
        patient_name="Weber^Karl",
        patient_id="P-19004",
        accession_number="ACC-70001",
        study_instance_uid=str(first.StudyInstanceUID),
        **common,
    )
    site.infer(0.055)
    replaced = site.receive(
        at=ago(41), patient_name="Doe^Jane", patient_id="P-20385", accession_number="ACC-78094", **common
    )
    site.infer(0.41)
    site.report("pacs")
    site.deliver("pacs")
    site.receive(
        at=ago(36),
        patient_name="Doe^Janet",
        patient_id="P-20385",
        accession_number="ACC-78094",
        sop_instance_uid=str(replaced.SOPInstanceUID),
        study_instance_uid=str(replaced.StudyInstanceUID),
        **common,
    )
    site.infer(0.66, superseding=Supersession.IMAGE_REPLACED)
    site.report("pacs")
    site.deliver("pacs")
    site.receive(
        at=ago(3), patient_name="Tanaka^Hana=田中^花", patient_id="P-20424", accession_number="ACC-78120", **common
    )
    site.infer(0.812)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.SENT)
    site.receive(
        at=ago(1.2), patient_name="Hernández^Mateo", patient_id="P-20430", accession_number="ACC-78122", **common
    )
    site.claim()
    for minutes, name, number in ((0.8, "Kim^Seo-yeon=김^서연", "31"), (0.4, "Jansen^Bram", "32")):
        site.receive(
            at=ago(minutes),
            patient_name=name,
            patient_id=f"P-204{number}",
            accession_number=f"ACC-781{number}",
            **common,
        )
