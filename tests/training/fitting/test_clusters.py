import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

pytest.importorskip("sklearn")

from service.demo.phantom import phantom_values
from tests.training.conftest import CLASSES
from training.fitting.clusters import LOOKS, find_clusters, write_manifest
from training.fitting.dataset import STAMPED, LabelledImage, find_images, load, splits_of

_EXEMPLAR = "person1123_virus_1848.png"


def _picture(seed: int, stamped: bool) -> Image.Image:
    """Return a phantom: even seeds blurred and bright, odd ones sharp and dark, stamped ones with a marker."""
    greys = phantom_values(seed, 224, 224) * np.float32(160) + np.float32(80 if seed % 2 == 0 else 0)
    if seed % 2:
        greys = greys + np.random.default_rng(seed).normal(15, 12, greys.shape).astype(np.float32)
    picture = Image.fromarray(np.clip(np.rint(greys), 0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(3)) if seed % 2 == 0 else picture
    if stamped:
        draw = ImageDraw.Draw(picture)
        shift = seed % 3
        draw.line([(2 + shift, 44), (2 + shift, 22), (10 + shift, 26), (3 + shift, 32), (11 + shift, 44)], 255, 2)
        draw.line([(206, 220), (206, 213), (206, 217), (211, 213), (207, 216), (211, 220)], 255)
        draw.line([(214, 213), (217, 220), (220, 213)], 255)
    return picture


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[LabelledImage]]:
    root = tmp_path_factory.mktemp("machines")
    (root / "viral").mkdir()
    (root / "normal").mkdir()
    rows = []
    for seed in range(30 * LOOKS):
        is_viral = seed % 4 == 0
        stamped = is_viral and seed % 8 == 0
        name = f"viral/person{seed}.png" if is_viral else f"normal/IM-{seed:04}.png"
        name = f"viral/{_EXEMPLAR}" if seed == 0 else name
        _picture(seed, stamped).save(root / name)
        rows.append((name, name.split("/")[0], f"g{seed}", "val" if seed % 6 == 5 else "train"))
    with (root / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("file", "class", "group", "split"), *rows])
    return {split: find_images(root, CLASSES, split) for split in splits_of(root)}


def test_stamped_images_are_a_cluster_and_the_others_are_told_by_their_look(
    splits: dict[str, list[LabelledImage]],
) -> None:
    found = find_clusters(splits)
    stamped = [image.name for image, name in zip(splits["train"], found["train"], strict=True) if name == STAMPED]
    assert f"viral/{_EXEMPLAR}" in stamped
    assert len(stamped) == sum(seed % 8 == 0 and seed % 6 != 5 for seed in range(30 * LOOKS))
    assert not any(name.startswith("normal") for name in stamped)
    looks: dict[str, list[int]] = {}
    for image, name in zip(splits["train"], found["train"], strict=True):
        if name != STAMPED:
            looks.setdefault(name, []).append(int(image.group[1:]) % 2)
    pure = sum(max(parities.count(0), parities.count(1)) for parities in looks.values())
    assert pure >= 0.85 * sum(map(len, looks.values())), "blurred and sharp pictures share looks"


def test_the_same_images_get_the_same_clusters(splits: dict[str, list[LabelledImage]]) -> None:
    assert find_clusters(splits) == find_clusters(splits)


def test_the_manifest_names_the_clusters_and_leaves_the_images_where_they_are(
    splits: dict[str, list[LabelledImage]], tmp_path: Path
) -> None:
    clusters = find_clusters(splits)
    write_manifest(tmp_path / "clusters.csv", splits, clusters, CLASSES)
    for split, images in splits.items():
        again = find_images(tmp_path / "clusters.csv", CLASSES, split)
        assert [image.name for image in again] == [image.name for image in images]
        assert [image.cluster for image in again] == list(clusters[split])
        assert [image.path.resolve() for image in again] == [image.path.resolve() for image in images]
        loaded = load(again, CLASSES)
        assert loaded.stamped().tolist() == [name == STAMPED for name in clusters[split]]
        assert loaded.digest == load(images, CLASSES).digest


def test_too_few_images_for_looks_are_refused(splits: dict[str, list[LabelledImage]]) -> None:
    with pytest.raises(ValueError, match="too few"):
        find_clusters({"train": splits["train"][:8]})
