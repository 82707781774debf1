"""A machine whose normals are called positive is found within fifty images, with what the network says of val.

No style of another machine makes the shipped network do so (`test_promises`): so a normal of this machine is given what
the network says of a child with pneumonia.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint, default_path
from models.predictor import Predictor
from models.runtimes import OnnxRuntime
from service.drift.control_chart import walk
from service.drift.reference import chart_of, looks, of_site
from service.ledger.drift import Observation
from service.settings import DriftSettings
from service.vocabulary.drift import Characteristic
from service.vocabulary.findings import Outcome
from training.fitting.dataset import LabelledImage, find_images, read_display_values

SICK, PATIENCE, EACH = 0.3, 50, 24
"""Share of pneumonia at the site, images until the alarm, and images of each kind that the network sees."""


def seen(predictor: Predictor, images: Sequence[LabelledImage]) -> NDArray[np.float64]:
    """Return P(pneumonia) and distance (N x 2) of some of the images."""
    card = predictor.checkpoint.card
    outputs = predictor.predict([read_display_values(image.path) for image in images[:: len(images) // EACH][:EACH]])
    sick = [card.classes[index] for index in card.pneumonia_classes]
    return np.array([(sum(one.probabilities[name] for name in sick), one.distance or 0.0) for one in outputs])


def sent(random: np.random.Generator, count: int, kinds: Sequence[NDArray[np.float64]]) -> list[Observation]:
    """Return images as a machine sends them: the second kind where the child is sick."""
    upper = Checkpoint.load(default_path(), verify=False).card.operating_point("balanced").upper
    start, images = datetime(2026, 3, 2, tzinfo=UTC), []
    for number in range(count):
        p, distance = random.choice(kinds[int(random.random() < SICK)])
        outcome = Outcome.POSITIVE if p >= upper else Outcome.NEGATIVE
        images.append(Observation(number, start + timedelta(minutes=number), outcome, float(p), float(distance)))
    return images


def first_alarm(window: Sequence[Observation], after: Sequence[Observation], settings: DriftSettings) -> int:
    """Return at which image after the reference a chart alarms first; more than there are where none does."""
    reference, found = of_site(window), [len(after) + 1]
    for characteristic, look in looks(reference).items():
        between = settings.images_between_false_alarms * len(Characteristic)
        path = walk(chart_of(characteristic, look, reference, window, between), (bool(look(image)) for image in after))
        found += [path.alarm_at + 1] if path.alarm_at is not None else []
    return min(found)


def test_normals_that_are_called_positive_raise_an_alarm_within_fifty_images(shared: Path) -> None:
    checkpoint = Checkpoint.load(default_path())
    predictor = Predictor(checkpoint, OnnxRuntime(checkpoint))
    images = find_images(shared / "data" / "cxr224", checkpoint.card.classes, "val")
    pneumonia = checkpoint.card.pneumonia_classes
    well = seen(predictor, [image for image in images if image.target not in pneumonia])
    sick = seen(predictor, [image for image in images if image.target in pneumonia])
    random, settings = np.random.default_rng(4), DriftSettings()
    windows = [sent(random, settings.reference_images, (well, sick)) for _ in range(30)]
    changed = [first_alarm(window, sent(random, 100, (sick, sick)), settings) for window in windows]
    assert np.quantile(changed, 0.95) <= PATIENCE, sorted(changed)
    unchanged = [first_alarm(window, sent(random, 100, (well, sick)), settings) for window in windows]
    assert sum(at <= 100 for at in unchanged) <= 2
