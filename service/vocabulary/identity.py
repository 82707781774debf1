"""Who and what an instance is: the attributes that decide whether two objects are the same."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable
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
        """Return whether two instances can be of one patient; `Patients` says when."""
        return Patients([self.patient()]).agree_with(other.patient())


class Patients:
    """Those that a study names, to be compared with one more: in one step, however many they are.

    The Patient ID with its issuer decides. Equal IDs do not help where name and birth date both contradict: two sites
    number their patients alike. Without any ID, name and birth date decide. What is absent contradicts nothing.
    """

    def __init__(self, patients: Iterable[Patient] = ()) -> None:
        self._ids: set[str] = set()
        self._issuers: set[str] = set()
        #: Of all of them, and of those without an ID.
        self._names: tuple[set[str], set[str]] = (set(), set())
        self._birth_dates: tuple[set[str], set[str]] = (set(), set())
        #: Name and birth date of those with an ID and both, and how many of these have which of either.
        self._both: set[tuple[str, str]] = set()
        self._by_name: Counter[str] = Counter()
        self._by_birth_date: Counter[str] = Counter()
        for patient in patients:
            self.add(patient)

    def agree_with(self, patient: Patient) -> bool:
        """Return whether each of them can be this patient."""
        patient_id, issuer, name, birth_date = patient
        if not patient_id:
            return _is_only(self._names[0], name) and _is_only(self._birth_dates[0], birth_date)
        without_id = _is_only(self._names[1], name) and _is_only(self._birth_dates[1], birth_date)
        with_id = _is_only(self._ids, patient_id) and _is_only(self._issuers, issuer)
        return without_id and with_id and not self._contradict_both(name, birth_date)

    def add(self, patient: Patient) -> None:
        """Take one in, whether it agrees or not."""
        patient_id, issuer, name, birth_date = patient
        for number in (0,) if patient_id else (0, 1):
            self._names[number].update([name] if name else [])
            self._birth_dates[number].update([birth_date] if birth_date else [])
        if not patient_id:
            return
        self._ids.add(patient_id)
        self._issuers.update([issuer] if issuer else [])
        if name and birth_date and (name, birth_date) not in self._both:
            self._both.add((name, birth_date))
            self._by_name[name] += 1
            self._by_birth_date[birth_date] += 1

    def _contradict_both(self, name: str, birth_date: str) -> bool:
        """Return whether one with an ID has another name and another birth date."""
        if not (name and birth_date):
            return False
        one_alike = self._by_name[name] + self._by_birth_date[birth_date] - ((name, birth_date) in self._both)
        return one_alike < len(self._both)


def is_one_patient(patients: Iterable[Patient], known_as_one: Collection[Patient] = ()) -> bool:
    """Return whether each can be the same as each other, but for those that are known to be one."""
    others = Patients(known_as_one)
    for patient in set(patients).difference(known_as_one):
        if not others.agree_with(patient):
            return False
        others.add(patient)
    return True


def _is_only(known: set[str], value: str) -> bool:
    """Return whether a value contradicts none that is known; one that is absent does not."""
    return not value or known <= {value}
