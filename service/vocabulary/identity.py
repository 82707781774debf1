"""Who and what an instance is: the attributes that decide whether two objects are the same."""

import hashlib
import json
from dataclasses import dataclass

#: Patient ID, its issuer, name and birth date, as in the data set.
Patient = tuple[str, str, str, str]


@dataclass(frozen=True)
class Identity:
    """The identity of one received instance; text as decoded, empty where the attribute is absent.

    The patient attributes in here are the reason why an `Identity` is never logged.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""

    def __repr__(self) -> str:
        return f"Identity(sop_instance_uid={self.sop_instance_uid!r}, ...)"

    def attributes(self) -> dict[str, str]:
        """Return the attributes by name, as the ledger keeps them."""
        return dict(vars(self))  # `asdict` would copy each text, and take ten times as long

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the identity attributes."""
        return hashlib.sha256(json.dumps(self.attributes(), sort_keys=True).encode()).hexdigest()

    def patient_digest(self) -> str | None:
        """Return the SHA-256 (hex) of Patient ID and issuer, by which a patient's studies are found; None without."""
        patient, issuer = self.patient_id.strip(), self.issuer_of_patient_id.strip()
        return hashlib.sha256(json.dumps([patient, issuer]).encode()).hexdigest() if patient else None

    def patient(self) -> Patient:
        """Return the attributes that tell whose the instance is."""
        return self.patient_id, self.issuer_of_patient_id, self.patient_name, self.birth_date

    def same_patient(self, other: "Identity") -> bool:
        """Return whether two instances can be of one patient.

        The Patient ID with its issuer decides. Equal IDs do not help where name and birth date both contradict:
        two sites number their patients alike. Without any ID, name and birth date decide.
        """
        ids_known = bool(self.patient_id and other.patient_id)
        issuers_known = bool(self.issuer_of_patient_id and other.issuer_of_patient_id)
        if ids_known and self.patient_id != other.patient_id:
            return False
        if ids_known and issuers_known and self.issuer_of_patient_id != other.issuer_of_patient_id:
            return False
        other_name = bool(self.patient_name and other.patient_name) and self.patient_name != other.patient_name
        other_birth = bool(self.birth_date and other.birth_date) and self.birth_date != other.birth_date
        return not (other_name and other_birth) if ids_known else not (other_name or other_birth)
