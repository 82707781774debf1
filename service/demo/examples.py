"""The studies that the demo forwards: nine published radiographs of children, and three that are out of scope.

Where the radiographs are from and under which licence: radiographs/README.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from types import MappingProxyType
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

from service.demo.images import grey_values, wrapped
from service.demo.phantom import phantom_values

#: The label that was published, and the file.
RADIOGRAPHS = {
    "Normal 1": "NORMAL2-IM-0744-0001.jpeg",
    "Normal 2": "NORMAL2-IM-0468-0001.jpeg",
    "Normal 3": "NORMAL2-IM-0765-0001.jpeg",
    "Bacterial 1": "person1188_bacteria_3137.jpeg",
    "Bacterial 2": "person385_bacteria_1765.jpeg",
    "Bacterial 3": "person1024_bacteria_2955.jpeg",
    "Viral 1": "person772_virus_1401.jpeg",
    "Viral 2": "person1301_virus_2241.jpeg",
    "Viral 3": "person1155_virus_1934.jpeg",
}


@dataclass(frozen=True)
class Example:
    """One study of the demo: what it is called, and by which attributes it differs from a small child's frontal view.

    Attributes
    ----------
    label
        Its patient's family name, for nobody has this one. Of a radiograph it says the published label.
    age
        PatientAge (PS3.5 section 6.2, AS); made up, within the range of the collection's patients for theirs.
    """

    label: str
    age: str
    description: str = "Chest X-ray"
    view_position: str = "AP"
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def instance(self, number: int) -> Dataset:
        """Return its one image, in a new study of patient DEMO-`number`."""
        return wrapped(
            self._stored_values(),
            f"{self.label}^Demo",
            f"DEMO-{number:02d}",
            patient_age=self.age,
            study_description=self.description,
            view_position=self.view_position,
            attributes=self.attributes,
        )

    def _stored_values(self) -> Any:
        name = RADIOGRAPHS.get(self.label)
        if name is None:  # out of scope by its header: nobody looks at the pixels of a phantom for the patient's sake
            return np.round(phantom_values(1, 512, 448) * 255).astype(np.uint8)
        with as_file(files("service.demo") / "radiographs" / name) as path:
            return grey_values(path)


#: A key image that a CT's console has sent: of Secondary Capture, which the listener takes, with the modality of CT.
_CT_CAPTURE = {
    "Modality": "CT",
    "SOPClassUID": SecondaryCaptureImageStorage,
    "ConversionType": "WSD",
    "ViewPosition": None,
    "PatientOrientation": ["L", "P"],
}

#: In an order that no priority has had a say in.
EXAMPLES = (
    Example("Normal 1", "004Y"),
    Example("CT capture", "003Y", "CT chest", attributes=_CT_CAPTURE),
    Example("Viral 1", "001Y"),
    Example("Normal 2", "003Y"),
    Example("Bacterial 1", "002Y"),
    Example("Lateral", "005Y", "Chest X-ray, lateral", "LL"),
    Example("Normal 3", "005Y"),
    Example("Bacterial 2", "001Y"),
    Example("Adult", "061Y", view_position="PA"),
    Example("Viral 2", "002Y"),
    Example("Viral 3", "004Y"),
    Example("Bacterial 3", "003Y"),
)


def example_instances() -> Iterator[tuple[str, Dataset]]:
    """Yield the label and the image of each study, in the order of sending."""
    for number, example in enumerate(EXAMPLES, start=1):
        dataset = example.instance(number)
        dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
        yield example.label, dataset
