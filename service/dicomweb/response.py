"""The Store Instances Response Module, as JSON and as XML, and the HTTP status that goes with it.

References
----------
PS3.18 section 10.5.3, Table 10.5.3-1, Annex I.2 and Annex F; PS3.19 section A.1
"""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from io import BytesIO
from xml.etree import ElementTree as ET

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag

from service.dicom.identity import is_valid_uid
from service.dicomweb.store import StoredInstance

JSON, XML = "application/dicom+json", "application/dicom+xml"
#: What the answer may be in, the default first.
MEDIA_TYPES = (JSON, XML)
_NATIVE_MODEL = "http://dicom.nema.org/PS3.19/models/NativeDICOM"


def http_status(instances: Sequence[StoredInstance]) -> HTTPStatus:
    """Return the status of a request: the worst that still tells what was stored."""
    failed = [instance for instance in instances if not instance.answer.is_stored]
    if not failed:
        return HTTPStatus.OK
    if len(failed) < len(instances):
        return HTTPStatus.ACCEPTED
    # Nothing is wrong with these; who tries again later gets them in.
    ours = all(instance.answer.is_for_want_of_resources for instance in failed)
    return HTTPStatus.SERVICE_UNAVAILABLE if ours else HTTPStatus.CONFLICT


def encoded(instances: Iterable[StoredInstance], media_type: str) -> bytes:
    """Return what became of each instance, as a data set in a media type of `MEDIA_TYPES`."""
    data_set = _module(instances)
    return data_set.to_json().encode() if media_type == JSON else _xml(data_set)


def _module(instances: Iterable[StoredInstance]) -> Dataset:
    module, stored, failed, others = Dataset(), [], [], []
    # Instances are stored here for analysis; they are retrieved where they came from.
    module.RetrieveURL = None
    for instance in instances:
        item = Dataset()
        if instance.answer.is_stored:
            stored.append(item)
        else:
            item.FailureReason = instance.answer.status
        if is_valid_uid(instance.sop_class_uid) and is_valid_uid(instance.sop_instance_uid):
            item.ReferencedSOPClassUID = instance.sop_class_uid
            item.ReferencedSOPInstanceUID = instance.sop_instance_uid
            if not instance.answer.is_stored:
                failed.append(item)
        else:
            others.append(item)
    for keyword, items in (
        ("ReferencedSOPSequence", stored),
        ("FailedSOPSequence", failed),
        ("OtherFailuresSequence", others),
    ):
        if items:
            setattr(module, keyword, items)
    return module


def _xml(data_set: Dataset) -> bytes:
    root = ET.Element("NativeDicomModel", {"xmlns": _NATIVE_MODEL})
    _add(root, data_set)
    written = BytesIO()
    ET.ElementTree(root).write(written, encoding="utf-8", xml_declaration=True)
    return written.getvalue()


def _add(parent: ET.Element, data_set: Dataset) -> None:
    for element in data_set:
        attributes = {
            "tag": f"{element.tag:08X}",
            "vr": dictionary_VR(element.tag),
            "keyword": keyword_for_tag(element.tag),
        }
        node = ET.SubElement(parent, "DicomAttribute", attributes)
        if element.VR == "SQ":
            for number, item in enumerate(element.value, 1):
                _add(ET.SubElement(node, "Item", {"number": str(number)}), item)
        elif not element.is_empty:
            ET.SubElement(node, "Value", {"number": "1"}).text = str(element.value)
