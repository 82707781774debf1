import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset

from service.demo.phantom import cr_instance
from tests.invariants import Invariant
from tests.training.conftest import CLASSES, stored_phantom
from training.fitting.dataset import find_images, load, read_display_values, splits_of


def _write_manifest(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["file", "class", "group", "split"])
        writer.writeheader()
        writer.writerows(rows)


def test_a_folder_for_each_class_is_listed_in_a_fixed_order_with_groups_from_the_names(folder: Path) -> None:
    found = find_images(folder, CLASSES)
    assert [image.name for image in found] == sorted(image.name for image in found)
    assert len(found) == 12
    assert {image.target for image in found if image.name.startswith("viral")} == {2}
    assert {image.group for image in found} == {f"person-{number}" for number in (0, 1, 10, 11, 20, 21)}


def test_class_folders_in_capitals_are_the_same_classes(tmp_path: Path) -> None:
    (tmp_path / "NORMAL").mkdir()
    Image.fromarray(stored_phantom(1)).save(tmp_path / "NORMAL" / "NORMAL2-IM-0012-0001.jpeg")
    (found,) = find_images(tmp_path, CLASSES)
    assert (found.target, found.group) == (0, "NORMAL2-IM-0012")


def test_the_published_folders_normal_and_pneumonia_give_three_classes(tmp_path: Path) -> None:
    names = ("NORMAL/IM-0001-0001.jpeg", "PNEUMONIA/person1_bacteria_2.jpeg", "PNEUMONIA/person3_virus_4.jpeg")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(stored_phantom(1)).save(tmp_path / name)
    assert [(image.name, image.target) for image in find_images(tmp_path, CLASSES)] == list(
        zip(names, (0, 1, 2), strict=True)
    )


def test_an_unknown_class_is_named_with_those_that_the_checkpoint_knows(tmp_path: Path) -> None:
    (tmp_path / "covid").mkdir()
    Image.fromarray(stored_phantom(1)).save(tmp_path / "covid" / "a.png")
    with pytest.raises(ValueError, match=r"'covid'.*normal, bacterial, viral"):
        find_images(tmp_path, CLASSES)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no image"):
        find_images(tmp_path, CLASSES)


def test_a_manifest_names_class_group_and_split(tmp_path: Path) -> None:
    rows = [
        {"file": "b.png", "class": "viral", "group": "g2", "split": "val"},
        {"file": "a.png", "class": "normal", "group": "g1", "split": "train"},
    ]
    _write_manifest(tmp_path, rows)
    (found,) = find_images(tmp_path, CLASSES, "val")
    assert (found.name, found.target, found.group, found.path) == ("b.png", 2, "g2", tmp_path / "b.png")
    assert [image.name for image in find_images(tmp_path, CLASSES)] == ["a.png", "b.png"]


@pytest.mark.proves(Invariant.GROUPED_SPLITS)
def test_without_a_split_each_patient_is_drawn_to_one_side_and_stays_there(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,class,group\n" + "".join(f"{number}.png,viral,{number // 3}\n" for number in range(300)))
    sides = {side: {image.group for image in find_images(table, CLASSES, side)} for side in ("train", "val")}
    assert not sides["train"] & sides["val"]
    assert sides["train"] | sides["val"] == {str(number) for number in range(100)}
    assert 10 < len(sides["val"]) < 30
    assert splits_of(folder) == splits_of(table) == ("train", "val")
    with pytest.raises(ValueError, match="'reserved'"):
        find_images(folder, CLASSES, "reserved")


def test_a_table_anywhere_names_files_beside_it_and_its_own_splits(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    images = sorted(folder.glob("*/*.png"))
    lines = [f"{path},{('opacity', 'clear')[index % 2]},{index},test" for index, path in enumerate(images)]
    table.write_text("\n".join(["file,class,group,split", *lines]) + "\n")
    found = find_images(table, ("clear", "opacity"), "test")
    assert [image.path for image in found] == images
    assert [image.target for image in found] == [1, 0] * (len(images) // 2)
    assert splits_of(table) == ("train", "val", "test")
    table.write_text("path,class\n")
    with pytest.raises(ValueError, match=r"labels\.csv has no column 'file'"):
        find_images(table, ("clear", "opacity"))


def test_instances_are_found_whatever_their_name_and_grouped_by_patient(tmp_path: Path) -> None:
    for number, (patient, where) in enumerate([("A1", "clear/IM000"), ("B2", "opacity/s/i.dcm"), ("A1", "opacity/x")]):
        (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
        _instance(number, patient).save_as(tmp_path / where)
    (tmp_path / "clear" / "notes.txt").write_text("no image")
    found = find_images(tmp_path, ("clear", "opacity"))
    assert [image.name for image in found] == ["clear/IM000", "opacity/s/i.dcm", "opacity/x"]
    assert found[0].group == found[2].group != found[1].group
    assert "A1" not in found[0].group
    assert load(found, ("clear", "opacity")).targets_N.tolist() == [0, 1, 1]


def test_loading_reduces_to_the_networks_size_and_the_digest_follows_the_pixels(folder: Path) -> None:
    images = find_images(folder, CLASSES)
    found = load(images, CLASSES)
    assert found.pixels_NHW.shape == (12, 224, 224)
    assert found.pixels_NHW.dtype == np.uint8
    assert found.digest == load(images, CLASSES).digest
    assert found.digest != load(images[1:], CLASSES).digest


def test_grey_in_colour_and_sixteen_bits_read_like_plain_grey(tmp_path: Path) -> None:
    stored = stored_phantom(5)
    Image.fromarray(stored).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([stored] * 3, axis=2)).save(tmp_path / "colour.png")
    Image.fromarray(stored.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    expected = stored.astype(np.float32) / 255
    for name in ("grey", "colour", "deep"):
        found = read_display_values(tmp_path / f"{name}.png")
        assert found.dtype == np.float32
        assert np.allclose(found, expected, atol=1e-6), name


def _instance(number: int, patient_id: str) -> FileDataset:
    return cr_instance(
        stored_phantom(number),
        bits_stored=8,
        patient_id=patient_id,
        patient_name="Test^Phantom",
        sop_instance_uid=f"2.25.1{number}",
        series_instance_uid="2.25.2",
        study_instance_uid="2.25.3",
    )


def test_a_dicom_instance_reads_like_the_picture_it_was_made_of(tmp_path: Path) -> None:
    stored = stored_phantom(6)
    instance = cr_instance(
        stored,
        bits_stored=8,
        patient_id="1",
        patient_name="Test^Phantom",
        patient_birth_date=date(2020, 1, 1),
        sop_instance_uid="2.25.1",
        series_instance_uid="2.25.2",
        study_instance_uid="2.25.3",
    )
    instance.save_as(tmp_path / "a.dcm")
    assert np.allclose(read_display_values(tmp_path / "a.dcm"), stored / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["broken.jpeg", "broken.dcm"])
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not an image")
    with pytest.raises(ValueError, match=name):
        read_display_values(tmp_path / name)
