"""One label a photo, from every kind of source; the photos are there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reid_edge.errors import UsageError
from reid_edge_calibration.labels.label_formats import read_labels

Draw = Callable[..., Path]


@pytest.fixture
def photos(draw: Draw) -> None:
    for number, name in enumerate(("Ada/1.jpg", "Ada/2.jpg", "Bo/1.jpg", "unknown/1.jpg")):
        draw(name, number)


@pytest.mark.usefixtures("photos")
def test_all_kinds_of_source_give_the_same_labels(tmp_path: Path) -> None:
    names = ["Ada/1.jpg", "Ada/2.jpg", "Bo/1.jpg", "unknown/1.jpg"]
    folder = read_labels(tmp_path)
    rows = [f"{number},{name.split('/')[0]},{name}" for number, name in enumerate(names)]
    (tmp_path / "frame.csv").write_text("\n".join([",identity,path", *rows]))
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    annotations = [{"image_id": number, "identity": name.split("/")[0]} for number, name in enumerate(names)]
    (tmp_path / "labels.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    expected = [(tmp_path / name, name.split("/")[0]) for name in names[:3]]
    for labels in (folder, read_labels(tmp_path / "frame.csv"), read_labels(tmp_path / "labels.json")):
        assert labels.name == tmp_path.name
        assert [(photo.enrolment.path, photo.enrolment.identity) for photo in labels.photos] == expected
        assert labels.notes == (f"{tmp_path.name}: left out because no individual is named: 1 label.",)


@pytest.mark.usefixtures("photos")
def test_a_row_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("identity,path\nAda,Ada/1.jpg\nBo,Bo/1.jpg\nAda,./Ada/1.jpg\n")
    labels = read_labels(tmp_path)
    assert [photo.where for photo in labels.photos] == ["row 2", "row 3"]
    assert labels.notes == (f"{tmp_path.name}: counted once although it is there again: 1 label (1.jpg).",)


@pytest.mark.usefixtures("photos")
def test_a_photo_of_two_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("identity,path\nAda,Ada/1.jpg\nBo,Ada/1.jpg\n")
    with pytest.raises(UsageError, match=r"Ada.1.jpg is Ada in row 2, but Bo in row 3"):
        read_labels(tmp_path)


@pytest.mark.usefixtures("photos")
def test_all_photos_of_two_names_are_listed_and_can_be_left_out(tmp_path: Path) -> None:
    rows = "Ada,Ada/1.jpg\nBo,Ada/1.jpg\nada,Ada/2.jpg\nBo,Ada/2.jpg\nAda,Bo/1.jpg\nADA,Bo/1.jpg\n"
    (tmp_path / "metadata.csv").write_text("identity,path\n" + rows)
    with pytest.raises(UsageError, match=r"2 photos have two names: .*1.jpg is Ada in row 2, .*2.jpg is Ada in row 4") as refused:
        read_labels(tmp_path)
    assert "--skip-conflicts" in refused.value.hint
    labels = read_labels(tmp_path, skip_conflicts=True)
    assert [(photo.enrolment.identity, photo.where) for photo in labels.photos] == [("Ada", "row 6")]
    assert (
        labels.notes[0]
        == f"{tmp_path.name}: left out because it has two names: 2 photos ({', '.join(labels_conflicting(tmp_path))})."
    )


def labels_conflicting(folder: Path) -> list[str]:
    return [f"{folder / 'Ada' / f'{number}.jpg'} is Ada in row {2 * number}, but Bo in row {2 * number + 1}" for number in (1, 2)]


@pytest.mark.usefixtures("photos")
def test_copies_of_a_photo_with_two_names_are_left_out_too(tmp_path: Path) -> None:
    (tmp_path / "Bo" / "copy.jpg").write_bytes((tmp_path / "Ada" / "1.jpg").read_bytes())
    (tmp_path / "metadata.csv").write_text("identity,path\nAda,Ada/1.jpg\nBo,Bo/copy.jpg\nBo,Bo/1.jpg\n")
    assert len(read_labels(tmp_path).photos) == 3
    labels = read_labels(tmp_path, skip_conflicts=True)
    assert [photo.where for photo in labels.photos] == ["row 4"]
    assert "files with the same content have two names: 2 photos (1.jpg, copy.jpg)" in labels.notes[0]


@pytest.mark.usefixtures("photos")
def test_a_photo_of_several_animals_is_left_out_where_its_largest_is_in_doubt(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text(
        "identity,path,bbox\n"
        'Ada,Ada/1.jpg,"[0, 0, 20, 20]"\nBo,Ada/1.jpg,"[0, 0, 30, 20]"\n'  # two individuals
        'Ada,Ada/2.jpg,"[0, 0, 20, 20]"\nunknown,Ada/2.jpg,"[9, 9, 30, 30]"\n'  # the named one is the smaller
        'Bo,Bo/1.jpg,"[0, 0, 40, 20]"\nunknown,Bo/1.jpg,"[9, 9, 10, 10]"\n'  # and here the larger
    )
    labels = read_labels(tmp_path)
    assert [(photo.enrolment.identity, photo.where) for photo in labels.photos] == [("Bo", "row 6")]
    assert [note.partition(": ")[2] for note in labels.notes] == [
        "left out because several individuals are named: 1 photo (1.jpg).",
        "left out because a larger animal has no name: 1 photo (2.jpg).",
        "left out because no individual is named: 2 labels.",
    ]


@pytest.mark.usefixtures("photos")
def test_all_missing_photos_are_one_error(tmp_path: Path) -> None:
    rows = "".join(f"Ada,Ada/{number}.jpg\n" for number in range(1, 8))
    (tmp_path / "metadata.csv").write_text("identity,path\n" + rows)
    with pytest.raises(
        UsageError, match=r"Missing: 5 of the 7 photos that .* names: .*3.jpg \(row 4\), .* and 2 more\."
    ) as raised:
        read_labels(tmp_path)
    assert "folder of" in raised.value.hint


def test_what_is_no_source_is_refused(tmp_path: Path, draw: Draw) -> None:
    photo = draw("Ada/1.jpg", 0)
    for path, fold, problem in (
        (tmp_path / "gone", None, "nothing at"),
        (photo, None, "holds no labels"),
        (tmp_path, "calibrate", "has no column fold"),
    ):
        with pytest.raises(UsageError, match=problem):
            read_labels(path, fold)
    draw("loose.jpg", 1)
    with pytest.raises(UsageError, match="lies in no individual's folder") as raised:
        read_labels(tmp_path)
    assert "sub-folder per individual" in raised.value.hint
    (tmp_path / "metadata.csv").write_text("identity,path\nunknown,Ada/1.jpg\n")
    with pytest.raises(UsageError, match="names no individual"):
        read_labels(tmp_path)
