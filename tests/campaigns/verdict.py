"""What must be true at the end of a campaign; each check returns a sentence for everything that is not."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import select

from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord, ReportRecord, StudyRecord
from service.vocabulary.states import TRANSITIONS, DeliveryState, State
from tests.campaigns.site import Site
from tests.campaigns.stream import SECRETS, Image
from tests.journeys.pacs import CountingPacs
from tests.servers import Orthanc, wait_until

_FIRST = {State.RECEIVED, State.OUT_OF_SCOPE, State.OWN}
_ENDED = {DeliveryState.CONFIRMED, DeliveryState.WITHDRAWN}


def find_faults(site: Site, images: Sequence[Image], acknowledged: Collection[str]) -> list[str]:
    """Return everything that is wrong with a site that has come to rest."""
    with site.session() as session:
        instances = session.scalars(select(InstanceRecord)).all()
        events = session.scalars(select(EventRecord).order_by(EventRecord.id)).all()
        deliveries = session.scalars(select(DeliveryRecord)).all()
        reports = session.scalars(select(ReportRecord)).all()
        held = session.scalars(select(StudyRecord).where(StudyRecord.held_reason.is_not(None))).all()
    uids = {
        instance.sop_instance_uid: {row.sop_instance_uid for row in reports if row.instance_id == instance.id}
        for instance in instances
    }
    found = lost(images, acknowledged, instances)
    found += illegal_steps(instances, events)
    found += stuck(instances, deliveries)
    found += wrong_results(deliveries, events, reports)
    found += wrong_reports(images, acknowledged, uids, held_by(site.pacs), "the PACS")
    found += changed_bytes(site.pacs.digests)
    if site.orthanc is not None:
        found += wrong_reports(images, acknowledged, uids, held_by_orthanc(site.orthanc), "Orthanc")
    if site.orthanc is not None and site.ground.encryption is not None:
        found += denied(site.orthanc, [row for row in instances if row.sop_instance_uid in acknowledged])
    found += [f"study {row.id} is held: {row.held_reason}" for row in held]
    keys = {row.object_key for row in instances} | {row.object_key for row in reports}
    found += store_faults(site.stored(), site.half_received(), keys)
    return found + told_too_much(site.output())


def lost(images: Sequence[Image], acknowledged: Collection[str], instances: Sequence[InstanceRecord]) -> list[str]:
    """Find acknowledged images that are not, or not once, or not in the state that they must end in."""
    rows = defaultdict(list)
    for row in instances:
        rows[row.sop_instance_uid].append(row)
    found = [
        f"{image.path.name} was acknowledged and has {len(rows[image.sop_instance_uid])} versions in the ledger"
        for image in images
        if image.sop_instance_uid in acknowledged and len(rows[image.sop_instance_uid]) != 1
    ]
    return found + [
        f"{image.path.name} is {row.state} ({row.reason}, {row.detail}) and must be {image.state}"
        for image in images
        for row in rows[image.sop_instance_uid]
        if row.state != image.state
    ]


def illegal_steps(instances: Iterable[InstanceRecord], events: Iterable[EventRecord]) -> list[str]:
    """Find histories that begin, go on or end as none may."""
    histories = defaultdict(list)
    for event in events:
        histories[event.instance_id].append(State(event.state))
    found = []
    for row in instances:
        states = histories[row.id]
        if not states or states[0] not in _FIRST:
            found.append(f"instance {row.id}: its history begins with {states[:1]}")
            continue
        steps = [(one, other) for one, other in pairwise(states) if one != other]
        found += [f"instance {row.id}: from {a} to {b} in its history" for a, b in steps if b not in TRANSITIONS[a]]
        if states[-1] != row.state:
            found.append(f"instance {row.id} is {row.state}, and its history ends with {states[-1]}")
    return found


def stuck(instances: Iterable[InstanceRecord], deliveries: Iterable[DeliveryRecord]) -> list[str]:
    """Find what somebody still holds or still has to do."""
    found = []
    for row in instances:
        if row.lease_owner is not None or row.lease_until is not None:
            found.append(f"instance {row.id} ({row.state}) is under a lease of {row.lease_owner}")
        if row.reports_due:
            found.append(f"instance {row.id} ({row.state}): its reports are due")
    for delivery in deliveries:
        if delivery.lease_owner is not None or delivery.lease_until is not None:
            found.append(f"delivery {delivery.id} ({delivery.state}) is under a lease of {delivery.lease_owner}")
        if delivery.state not in _ENDED:
            found.append(f"delivery {delivery.id} to {delivery.destination} is {delivery.state}: {delivery.detail}")
    return found


def wrong_results(
    deliveries: Iterable[DeliveryRecord], events: Iterable[EventRecord], reports: Iterable[ReportRecord]
) -> list[str]:
    """Find instances that were settled twice, and reports that were confirmed another number of times than once."""
    settled = Counter(
        (event.instance_id, event.event) for event in events if event.event in {"inferred", "out of scope", "delivered"}
    )
    found = [
        f"instance {instance}: {event!r} {times} times" for (instance, event), times in settled.items() if times > 1
    ]
    kinds = Counter((row.instance_id, row.kind) for row in reports)
    found += [
        f"instance {instance}: {times} reports of kind {kind}" for (instance, kind), times in kinds.items() if times > 1
    ]
    owner = {row.id: row.instance_id for row in reports}
    expected = Counter(owner[row.report_id] for row in deliveries if row.state == DeliveryState.CONFIRMED)
    confirmed = Counter(event.instance_id for event in events if event.event == "confirmed")
    return found + [
        f"instance {instance}: {confirmed[instance]} confirmations of {expected[instance]} objects"
        for instance in expected.keys() | confirmed.keys()
        if confirmed[instance] != expected[instance]
    ]


def wrong_reports(
    images: Sequence[Image],
    acknowledged: Collection[str],
    built: Mapping[str, set[str]],
    held: Mapping[str, Sequence[tuple[str, str]]],
    archive: str,
) -> list[str]:
    """Find studies whose reports in an archive are not exactly those that they must have.

    Parameters
    ----------
    built
        The SOP Instance UIDs of the ledger's reports on an image.
    held
        Modality and SOP Instance UID of each object in a study.
    """
    found = []
    for image in images:
        if image.sop_instance_uid not in acknowledged:
            continue
        objects = held.get(image.study_instance_uid, ())
        modalities = sorted(modality for modality, _ in objects)
        if modalities != sorted(image.modalities):
            found.append(f"{archive} holds {modalities} of {image.path.name}, not {sorted(image.modalities)}")
        strangers = {uid for _, uid in objects} - built[image.sop_instance_uid]
        found += [f"{archive} holds {uid} of {image.path.name}, which the ledger does not know" for uid in strangers]
    studies = {image.study_instance_uid for image in images}
    return found + [f"{archive} holds study {uid} of no image" for uid in held.keys() - studies]


def held_by(pacs: CountingPacs) -> dict[str, list[tuple[str, str]]]:
    """Return modality and SOP Instance UID of what a PACS of ours holds, by study."""
    held = defaultdict(list)
    for item in pacs.objects():
        held[str(item.StudyInstanceUID)].append((str(item.Modality), str(item.SOPInstanceUID)))
    return held


def held_by_orthanc(orthanc: Orthanc) -> dict[str, list[tuple[str, str]]]:
    """Return modality and SOP Instance UID of what Orthanc holds, by study."""
    tags = [orthanc.rest(f"instances/{item}/simplified-tags") for item in orthanc.rest("instances")]
    held = defaultdict(list)
    for item in tags:
        held[item["StudyInstanceUID"]].append((item["Modality"], item["SOPInstanceUID"]))
    return held


def changed_bytes(digests: Mapping[str, Sequence[str]]) -> list[str]:
    """Find objects that came with other bytes a second time."""
    return [f"{uid} came with {len(set(seen))} contents" for uid, seen in digests.items() if len(set(seen)) > 1]


def store_faults(stored: Collection[str], half_received: Iterable[str], keys: Collection[str]) -> list[str]:
    """Find rows without bytes, bytes without rows, and files that were begun and neither kept nor removed."""
    found = [f"object {key} of the ledger is not in the store" for key in set(keys) - set(stored)]
    found += [f"object {name} in the store is in no row" for name in set(stored) - set(keys)]
    return found + [f"{name} is half received" for name in half_received]


def denied(orthanc: Orthanc, instances: Iterable[InstanceRecord]) -> list[str]:
    """Have an archive ask for storage commitment of images; return those that we do not say we hold."""
    asked = [{"SOPClassUID": row.sop_class_uid, "SOPInstanceUID": row.sop_instance_uid} for row in instances]
    request = {"DicomInstances": asked, "Timeout": 20}
    path = f"storage-commitment/{orthanc.rest('modalities/auscult/storage-commitment', request)['ID']}"
    try:
        wait_until(lambda: orthanc.rest(path)["Status"] != "Pending", "the answer comes", 60, 0.5)
    except TimeoutError:
        return [f"{len(asked)} images were asked for by storage commitment, and no answer came within 60 s"]
    return [f"we do not say that we hold {item['SOPInstanceUID']}" for item in orthanc.rest(path)["Failures"]]


def told_too_much(output: str) -> list[str]:
    """Find who the patient is, and tracebacks, in what processes wrote."""
    folded = output.casefold()
    found = [f"a process wrote {secret!r}" for secret in SECRETS if secret.casefold() in folded]
    traces = re.findall(r"Traceback \(most recent call last\):\n(?:[ \n].*\n?)*.*", output)
    ended = re.findall(r"thread .* ended: .*", output)
    return found + [f"a process wrote: {trace[-1500:]}" for trace in [*traces, *ended][:5]]
