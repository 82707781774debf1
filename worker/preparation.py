"""From a claimed image to what becomes of it: ready for the network, or settled without it."""

import hashlib
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from service.dicom.pixels import DecodedImage, decode, read_instance
from service.ledger import ClaimedInstance
from service.objects import ObjectStore
from service.scope import ScopeVerdict, age_in_years, blank, judge, judge_orientation
from service.settings import ScopeSettings
from service.vocabulary.errors import UndecodablePixels
from service.vocabulary.facts import Flag, Reason, Supersession
from service.vocabulary.findings import Prediction
from service.vocabulary.states import State
from worker.network import Network
from worker.networks import Networks

_OF_THE_NETWORK = (Flag.UNLIKE_TRAINING, Flag.ACTIVATION_OFF_LUNGS, Flag.LUNG_FIELD_NOT_FOUND)
"""The doubts that come of the network's answer, not of header and pixels alone."""


@dataclass(frozen=True)
class Ready:
    """An image for a network: display values, float32, rows x columns, in [0, 1].

    Attributes
    ----------
    distance
        How far the network found it from its training images; None before it was asked, or where it cannot tell.
    """

    claim: ClaimedInstance
    display: NDArray[np.float32]
    pixel_digest: str
    flags: tuple[Flag, ...]
    superseding_reason: Supersession | None
    network: Network
    distance: float | None = None


@dataclass(frozen=True)
class OutOfScope:
    """An image that is not analysed.

    Attributes
    ----------
    distance, checkpoint_digest
        How far from its training images a network finds it, and of which checkpoint; None where none looked at it.
    """

    claim: ClaimedInstance
    reason: Reason
    is_chest: bool
    pixel_digest: str
    flags: tuple[Flag, ...]
    superseding_reason: Supersession | None
    distance: float | None = None
    checkpoint_digest: str | None = None


@dataclass(frozen=True)
class Duplicate:
    """The same pixels and identity as the version before."""

    claim: ClaimedInstance
    pixel_digest: str


@dataclass(frozen=True)
class Clash:
    """Other pixels of another patient under one SOP Instance UID."""

    claim: ClaimedInstance
    pixel_digest: str


@dataclass(frozen=True)
class Reidentified:
    """The pixels of the version before under a corrected identity: its prediction stands."""

    claim: ClaimedInstance
    prediction: Prediction
    pixel_digest: str
    flags: tuple[Flag, ...]


Prepared = Ready | OutOfScope | Duplicate | Clash | Reidentified


@dataclass(frozen=True)
class Preparation:
    """Reads, judges, decodes and compares one claimed image; thread-safe."""

    store: ObjectStore
    networks: Networks
    rules: ScopeSettings

    def prepare(self, claim: ClaimedInstance) -> Prepared:
        """Return what is to become of an image.

        Raises
        ------
        ObjectMissing, StoreUnavailable
            When its bytes cannot be read.
        """
        content = self.store.read(claim.object_key)
        try:
            dataset = read_instance(BytesIO(content))
            doubts = _take_birth_date_of_order(dataset, claim)
            # Before the gate: by whose population an image is judged depends on which network it is for.
            network = self.networks.for_image(dataset)
            verdict = _with_pixels(dataset, judge(dataset, network.population, self.rules))
            verdict = replace(verdict, flags=(*verdict.flags, *doubts))
            image = _decoded(dataset, self.rules.maximum_pixels)
        except UndecodablePixels:
            dataset, verdict, image = Dataset(), ScopeVerdict(False, Reason.PIXELS_UNDECODABLE, True, ()), None
            network = self.networks.for_image(dataset)
        # Of the decoded pixels: the same image, compressed without loss in another way, is no other image.
        digest = image.digest() if image is not None else _digest_of_undecodable(dataset, content)
        return self._compare(claim, digest) or self._judge(claim, verdict, image, digest, network)

    def _compare(self, claim: ClaimedInstance, digest: str) -> Prepared | None:
        """Settle a version that needs no second look: a duplicate, or a clash of two patients."""
        before = claim.predecessor
        if before is None or before.pixel_digest is None:
            return None
        if claim.again:
            return None  # a person asked for it
        if before.state is State.SUPERSEDED and before.identity_digest == claim.identity_digest:
            return None  # this very version took its place and then failed: without a result, none would be in force
        if before.pixel_digest == digest and before.identity_digest == claim.identity_digest:
            return Duplicate(claim, digest)
        if before.pixel_digest != digest and not claim.released and not before.identity.same_patient(claim.identity):
            return Clash(claim, digest)
        return None

    def _judge(
        self, claim: ClaimedInstance, verdict: ScopeVerdict, image: DecodedImage | None, digest: str, network: Network
    ) -> Prepared:
        superseding = _superseding_reason(claim, digest)
        reason = verdict.reason
        display = None
        flags = verdict.flags
        if reason is None:
            try:
                display, reason = _displayed(image)
            except UndecodablePixels:
                reason = Reason.PIXELS_UNDECODABLE
        if reason is None and display is not None:
            turned = judge_orientation(display, self.rules)
            if isinstance(turned, Reason):
                reason = turned
            elif turned is not None:
                flags = (*flags, turned)
        if reason is not None or display is None:
            return OutOfScope(claim, reason or Reason.PIXELS_UNDECODABLE, verdict.chest, digest, flags, superseding)
        before = claim.predecessor if superseding is Supersession.IDENTITY_CORRECTED else None
        known = before.prediction if before is not None else None
        if (
            before is not None
            and known is not None
            and _judged_as(known) == (network.checkpoint.digest, network.calibration_digest)
        ):
            # What the network doubted of the pixels holds for the same pixels, unless the rule is another by now.
            doubts = [flag for flag in _OF_THE_NETWORK if flag in before.flags]
            if Flag.UNLIKE_TRAINING not in doubts or self.rules.unlike_training == "analyse":
                return Reidentified(claim, known, digest, (*flags, *doubts))
        return Ready(claim, display, digest, flags, superseding, network)


def _take_birth_date_of_order(dataset: Dataset, claim: ClaimedInstance) -> tuple[Flag, ...]:
    """Let an image that tells no age have the birth date of its order; return the doubt that this is."""
    if not claim.ordered_birth_date or age_in_years(dataset) is not None:
        return ()
    dataset.PatientBirthDate = claim.ordered_birth_date
    return (Flag.AGE_BY_ORDER,) if age_in_years(dataset) is not None else ()


def _judged_as(prediction: Prediction) -> tuple[str, str | None]:
    return prediction.checkpoint_digest, prediction.calibration_digest


def _with_pixels(dataset: Dataset, verdict: ScopeVerdict) -> ScopeVerdict:
    """Return the verdict, or that there are no pixels where nothing else was against the analysis."""
    if verdict.reason is not None or "PixelData" in dataset:
        return verdict
    return replace(verdict, in_scope=False, reason=Reason.NO_PIXEL_DATA)


def _decoded(dataset: Dataset, maximum_pixels: int) -> DecodedImage | None:
    try:
        return decode(dataset, max_pixels=maximum_pixels)
    except UndecodablePixels:
        return None


def _displayed(image: DecodedImage | None) -> tuple[NDArray[np.float32] | None, Reason | None]:
    if image is None:
        return None, Reason.PIXELS_UNDECODABLE
    display = image.display()
    return (None, Reason.BLANK) if blank(display) else (display, None)


def _digest_of_undecodable(dataset: Dataset, content: bytes) -> str:
    """Return a digest that stands for pixels that nobody can decode: of their bytes as they came."""
    pixels = dataset.get("PixelData")
    return hashlib.sha256(b"undecodable" + (pixels if isinstance(pixels, bytes) else content)).hexdigest()


def _superseding_reason(claim: ClaimedInstance, digest: str) -> Supersession | None:
    before = claim.predecessor
    if before is None:
        return None
    if claim.again or before.pixel_digest is None or before.state is State.SUPERSEDED:
        return Supersession.ANALYSED_AGAIN
    return Supersession.IDENTITY_CORRECTED if before.pixel_digest == digest else Supersession.IMAGE_REPLACED
