"""The image that a report is about: as it was received, or as the ledger knows it where its bytes cannot be read."""

from io import BytesIO

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

from service.dicom.normalised import declared, text_of
from service.dicom.pixels import read_instance
from service.ledger import DueReport, ImageFacts
from service.objects import ObjectStore
from service.vocabulary.errors import ContradictoryIdentity, ObjectDamaged, ObjectMissing, UndecodablePixels
from service.vocabulary.identity import Identity

#: The attributes of an image that the ledger keeps, by their names in `Identity`.
_KEYWORDS = {
    "sop_class_uid": "SOPClassUID",
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "accession_number": "AccessionNumber",
}


def source_of(due: DueReport, store: ObjectStore) -> Dataset:
    """Return the image that a report is about.

    Whatever was acknowledged is told of: a report without a result needs no more than the ledger knows, so bytes that
    nobody can read, or that are gone, keep none from being built.

    Raises
    ------
    ContradictoryIdentity
        When image and ledger name different patients or studies.
    UndecodablePixels, ObjectMissing, ObjectDamaged
        When the bytes cannot be read and the report has a result, whose map is drawn over them.
    StoreUnavailable
        When they cannot be read for now.
    """
    try:
        source = read_instance(BytesIO(store.read(due.object_key)))
    except (UndecodablePixels, ObjectMissing, ObjectDamaged):
        if due.prediction is not None:
            raise
        return from_ledger(due.identity)
    require_same_patient(source, due.identity)
    return source


def named_by(image: ImageFacts, store: ObjectStore) -> Dataset:
    """Return what an image is called by that a document of its study tells of besides another.

    Nothing is taken over of it but UIDs, view and numbers, so without its bytes the UIDs of the ledger do.

    Raises
    ------
    StoreUnavailable
        When they cannot be read for now.
    """
    try:
        source = read_instance(BytesIO(store.read(image.object_key)))
        require_same_patient(source, image.identity)
    except (UndecodablePixels, ObjectMissing, ObjectDamaged, ContradictoryIdentity):
        return from_ledger(image.identity)
    return source


def from_ledger(identity: Identity) -> Dataset:
    """Return the attributes of an image that the ledger keeps, as a data set; it is valid where they are."""
    dataset = Dataset()
    for name, value in identity.attributes().items():
        tag = Tag(_KEYWORDS[name])
        # Setting an attribute by its keyword quotes what breaks its VR in a warning.
        dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))
    return dataset


def require_same_patient(source: Dataset, identity: Identity) -> None:
    """Refuse to build a report whose patient is not the one that the listener registered.

    Both were read from the same bytes; where they differ, nobody knows whose image it is.

    Raises
    ------
    ContradictoryIdentity
        When study or Patient ID differ in letters or digits that any character set reads alike.
    """
    known = declared(source)
    pairs = (
        (text_of(source, "StudyInstanceUID", known), identity.study_instance_uid),
        (text_of(source, "PatientID", known), identity.patient_id),
    )
    if any(_plain(read) != _plain(registered) for read, registered in pairs):
        raise ContradictoryIdentity


def _plain(value: object) -> str:
    return "".join(character for character in str(value or "") if character.isascii() and character.isalnum())
