"""Camtrap DP 1.0: a package that its own profile takes, with what the ledger knows and no more."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import frictionless
import jsonschema
import pytest

from reid_edge.errors import StorageError, UsageError
from reid_edge.watch import outputs
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.outputs import camtrap_dp
from reid_edge.watch.outputs.camtrap_dp import CamtrapDp, write_package
from reid_edge.watch.outputs.sinks import deliver_waiting

SCHEMAS = Path(__file__).parent / "camtrap_dp_1.0"
DEPLOYMENTS = (
    "deploymentID,cameraID,latitude,longitude,deploymentStart,deploymentEnd\n"
    "north-1,north,-12.5,-69.25,2024-05-01T00:00:00-05:00,2024-05-10T00:00:00-05:00\n"
    "north-2,north,-12.6,-69.35,2024-05-10T00:00:01-05:00,2024-06-01T00:00:00-05:00\n"
)


def problems(folder):
    """What the profile, the table schemas and their keys have against a package."""
    package = json.loads((folder / "datapackage.json").read_text())
    found = [
        error.message
        for error in jsonschema.Draft4Validator(json.loads((SCHEMAS / "camtrap-dp-profile.json").read_text())).iter_errors(
            package
        )
    ]
    geojson = json.loads((Path(frictionless.__file__).parent / "assets" / "profiles" / "geojson.json").read_text())
    found += [error.message for error in jsonschema.Draft4Validator(geojson).iter_errors(package["spatial"])]
    assert package["profile"] == "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0/camtrap-dp-profile.json"
    for resource in package["resources"]:
        assert resource["schema"] == f"https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0/{resource['name']}-table-schema.json"
        resource["schema"] = json.loads((SCHEMAS / f"{resource['name']}-table-schema.json").read_text())
        header = (folder / resource["path"]).read_text().splitlines()[0].split(",")
        assert header == [field["name"] for field in resource["schema"]["fields"]]
    package["profile"] = "tabular-data-package"  # frictionless would fetch the address
    with frictionless.system.use_context(trusted=True):
        report = frictionless.Package.from_descriptor(package, basepath=str(folder)).validate()
    return found + [error for _, _, error in report.flatten(["rowNumber", "fieldName", "message"])]


def table(folder, name):
    with (folder / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def write(ledger, memory_folder):
    """write(deployments, package, species): the package of the ledger, its folder, and the deployments without a place."""

    def do(deployments="", package="", species=""):
        folder = memory_folder / "camtrap-dp"
        folder.mkdir(exist_ok=True)
        for name, text in (("deployments.csv", deployments), ("datapackage.json", package)):
            if text:
                (memory_folder / name).write_text(text)
        return folder, write_package(
            folder, ledger, memory_folder / "deployments.csv", memory_folder / "datapackage.json", species
        )

    return do


@pytest.fixture
def season(ledger, commit, answer_for):
    """Two cameras: a burst of two photos with two animals, an empty photo, a guess, a whole frame, odd names and a photo without a time."""
    box = (64, 48, 320, 240)
    at = "2024-05-0{}T0{}:00:{:02d}".format
    known, other = answer_for(0, "Asha", 0.97, box), answer_for(1, None, 0.96, (600, 400, 640, 480))
    commit(ledger, b"/cards/north/DCIM/IMG_1.JPG", [known, other], "north", taken_at=at(2, 7, 0))
    commit(ledger, b"/cards/north/DCIM/IMG_2.JPG", [known], "north", taken_at=at(2, 7, 5), close=True)
    commit(ledger, b"/cards/north/DCIM/IMG_3.JPG", [], "north", taken_at=at(9, 7, 0), close=True)
    commit(
        ledger,
        b'/cards/north/DCIM/a..b \xff,"q"\n.heic',
        [answer_for(0, "Bela", 0.5, box)],
        "north",
        taken_at="2024-05-20T08:00:00",
        close=True,
    )
    commit(
        ledger,
        b"/cards/south/IMG_1.JPG",
        [answer_for(0, None, 0.9, (0, 0, 640, 480), found=False)],
        "south",
        latitude=-12.0,
        longitude=-69.0,
        close=True,
    )
    return ledger


def test_the_package_follows_the_profile(season, write):
    folder, unplaced = write(DEPLOYMENTS, species="Panthera onca")
    assert problems(folder) == []
    assert unplaced == []


def test_every_photo_is_a_medium_and_every_animal_an_observation_in_its_photo_and_in_its_event(season, write):
    folder, _ = write(DEPLOYMENTS, species="Panthera onca")
    media, observations = table(folder, "media"), table(folder, "observations")
    assert [row["fileName"] for row in media[:3]] == ["IMG_1.JPG", "IMG_2.JPG", "IMG_3.JPG"]
    assert media[3]["filePath"] == "file:///cards/north/DCIM/a%2E%2Eb%20%FF%2C%22q%22%0A.heic"
    assert media[3]["fileMediatype"] == "image/heic"
    told = [
        tuple(row[name] for name in ("observationLevel", "observationType", "individualID", "classificationProbability", "count"))
        for row in observations
    ]
    assert told == [
        ("media", "animal", "Asha", "0.970000", "1"),
        ("media", "animal", "", "0.960000", "1"),
        ("media", "animal", "Asha", "0.970000", "1"),
        ("media", "blank", "", "", ""),
        ("media", "animal", "", "", "1"),
        ("media", "unknown", "", "0.900000", ""),
        ("event", "animal", "Asha", "0.970000", "1"),
        ("event", "animal", "", "0.960000", "1"),
        ("event", "blank", "", "", ""),
        ("event", "animal", "", "", "1"),
        ("event", "animal", "", "0.900000", "1"),
    ]
    first = observations[0]
    assert [float(first[f"bbox{side}"]) for side in ("X", "Y", "Width", "Height")] == [0.1, 0.1, 0.4, 0.4]
    assert (first["classificationMethod"], first["scientificName"]) == ("machine", "Panthera onca")
    assert first["classifiedBy"].endswith(", pack field 1")
    assert observations[4]["observationComments"] == "Possibly Bela, 50 %. A person should look."
    assert observations[0]["eventID"] == observations[2]["eventID"] == observations[6]["eventID"]


def test_times_get_the_zone_of_the_persons_table_and_photos_the_deployment_of_their_day(season, write):
    folder, _ = write(DEPLOYMENTS)
    media = table(folder, "media")
    assert [row["deploymentID"] for row in media] == ["north-1", "north-1", "north-1", "north-2", "south"]
    assert media[0]["timestamp"] == "2024-05-02T07:00:00-05:00"
    assert media[4]["mediaComments"].startswith("The camera noted no time")
    observations = table(folder, "observations")
    assert (observations[0]["eventStart"], observations[0]["eventEnd"]) == (
        "2024-05-02T07:00:00-05:00",
        "2024-05-02T07:00:05-05:00",
    )


def test_what_nobody_gave_is_taken_from_the_photos_and_said(season, write):
    folder, unplaced = write()
    north, south = table(folder, "deployments")
    assert (north["deploymentStart"], north["deploymentEnd"]) == ("2024-05-02T07:00:00Z", "2024-05-20T08:00:00Z")
    assert north["timestampIssues"] == "true"
    assert all(word in north["deploymentComments"] for word in ("time zone is not known", "those of the photos"))
    assert (south["latitude"], south["longitude"]) == ("-12.00000", "-69.00000")
    assert "mean of the photos' positions" in south["deploymentComments"]
    # Only the place that nobody tells is against the profile.
    assert unplaced == ["north"]
    assert {line[:40] for line in map(str, problems(folder))} == {'The cell "" in row at position "2" and f'}


def test_what_a_person_says_of_the_package_is_kept_and_what_follows_from_the_photos_is_not_theirs(season, write):
    given = {
        "title": "Jaguars of Madre de Dios",
        "contributors": [{"title": "A. Ranger", "role": "contact"}],
        "licenses": [{"name": "CC0-1.0", "scope": "data"}, {"name": "CC-BY-4.0", "scope": "media"}],
        "project": {"title": "Jaguars", "samplingDesign": "systematicRandom"},
    }
    folder, _ = write(DEPLOYMENTS, json.dumps(given))
    assert problems(folder) == []
    package = json.loads((folder / "datapackage.json").read_text())
    assert (package["title"], package["project"]["samplingDesign"]) == (given["title"], "systematicRandom")
    assert package["project"]["individualAnimals"] is True
    with pytest.raises(UsageError, match="has the key 'temporal', which is unknown or follows from the photos"):
        write(DEPLOYMENTS, json.dumps({"temporal": {}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("deploymentID,lattitude\na,1\n", "unknown column 'lattitude'; the nearest known one is 'latitude'"),
        ("deploymentID,latitude\n,1\n", "Row 2 .* has no deploymentID"),
        ("deploymentID,latitude\na,91\n", "Row 2 .* has the latitude '91'"),
        ("deploymentID,deploymentStart\na,2024-05-01\n", "Row 2 .* has the deploymentStart '2024-05-01'"),
        ('deploymentID\n"a"b\n', "cannot be read as CSV"),
    ],
)
def test_a_table_of_deployments_that_cannot_be_is_refused(write, text, said):
    with pytest.raises(UsageError, match=said):
        write(text)


def test_the_package_of_nothing_follows_the_profile(write):
    folder, _ = write()
    assert problems(folder) == []


def test_the_sink_writes_when_it_is_time_and_then_everything_at_once(season, memory_folder, commit, answer_for, monkeypatch):
    sink = CamtrapDp(memory_folder / "c", season, memory_folder / "deployments.csv", memory_folder / "datapackage.json")
    clock = [1000.0]
    monkeypatch.setattr(camtrap_dp.time, "monotonic", lambda: clock[0])
    while deliver_waiting(season, sink, 2):
        pass
    assert season.delivered("camtrap-dp") == season.last_message()
    assert len(table(memory_folder / "c", "media")) == 5
    commit(season, b"/cards/north/DCIM/IMG_9.JPG", [], "north", taken_at="2024-05-30T08:00:00")
    assert deliver_waiting(season, sink) == 0
    clock[0] += 6
    assert deliver_waiting(season, sink) == 2
    assert len(table(memory_folder / "c", "media")) == 6
    commit(season, b"/cards/north/DCIM/IMG_10.JPG", [], "north", taken_at="2024-05-30T09:00:00")
    deliver_waiting(season, sink)
    sink.close()  # what waits is written all the same
    assert len(table(memory_folder / "c", "media")) == 7


def test_a_full_disk_leaves_the_package_before_it_and_the_next_one_comes_when_there_is_room(
    season, small_disk, tmp_path, monkeypatch
):
    monkeypatch.setattr(camtrap_dp, "_AT_MOST_EVERY", 0.0)
    disk = small_disk("size=256k")
    sink = CamtrapDp(disk / "c", season, tmp_path / "deployments.csv", tmp_path / "datapackage.json")
    first = season.messages_after(0, 1)
    assert sink.deliver(first) == 1
    before = {path.name: path.read_bytes() for path in (disk / "c").iterdir()}
    full = 0
    for size in range(220_000, 262_144, 4096):
        with contextlib.suppress(OSError):
            (disk / "filler").write_bytes(bytes(size))
        sink._included, sink._due = 0, 0.0
        try:
            sink.deliver(first)
        except StorageError as error:
            full += "full" in error.message
    assert full > 0
    after = {path.name: path.read_bytes() for path in (disk / "c").iterdir()}
    assert after.keys() == before.keys()
    (disk / "filler").unlink()
    sink._due = 0.0
    assert sink.deliver(first) == 1
    assert {path.name for path in (disk / "c").iterdir()} == before.keys()
    # The places that nobody gave are the only findings, as above.
    assert {line[:40] for line in map(str, problems(disk / "c"))} == {'The cell "" in row at position "2" and f'}


def test_photos_outside_every_period_are_in_a_deployment_of_their_own_with_timestamp_issues(ledger, commit, answer_for, write):
    for number, taken_at in enumerate(("2024-05-02T07:00:00", "2019-01-01T00:00:00", "2024-07-01T07:00:00", None)):
        commit(ledger, f"/cards/north/{number}.jpg".encode(), [], "north", taken_at=taken_at)
    folder, unplaced = write(DEPLOYMENTS.replace("-12.6,-69.35", "-12.5,-69.25"))
    assert [row["deploymentID"] for row in table(folder, "media")] == ["north-1", "north", "north", "north"]
    inside, outside = table(folder, "deployments")
    assert inside["timestampIssues"] == ""
    assert (outside["deploymentID"], outside["latitude"], outside["timestampIssues"]) == ("north", "-12.5", "true")
    assert "outside every period" in outside["deploymentComments"]
    assert (outside["deploymentStart"], outside["deploymentEnd"]) == ("2019-01-01T00:00:00-05:00", "2024-07-01T07:00:00-05:00")
    assert (problems(folder), unplaced) == ([], [])


def test_a_deployment_outside_does_not_take_the_name_of_a_row(ledger, commit, answer_for, write):
    commit(ledger, b"/cards/north/1.jpg", [], "north", taken_at="2019-01-01T00:00:00")
    folder, _ = write("deploymentID,deploymentStart,deploymentEnd\nnorth,2024-05-01T00:00:00Z,2024-05-10T00:00:00Z\n")
    assert [row["deploymentID"] for row in table(folder, "deployments")] == ["north-outside"]


def test_a_photo_without_a_time_is_of_the_only_row_and_does_not_widen_its_period(ledger, commit, answer_for, write):
    commit(ledger, b"/cards/north/1.jpg", [], "north", taken_at="2024-05-02T07:00:00")
    commit(ledger, b"/cards/north/2.jpg", [], "north")
    folder, _ = write("deploymentID,latitude,longitude\nnorth,1,2\n")
    (row,) = table(folder, "deployments")
    assert row["deploymentStart"] == row["deploymentEnd"] == "2024-05-02T07:00:00Z"
    assert "Some photos have no time" in row["deploymentComments"]


def test_a_position_of_zeros_is_not_part_of_the_mean(ledger, commit, answer_for, write):
    commit(ledger, b"/cards/south/1.jpg", [], "south", latitude=-12.0, longitude=-69.0)
    commit(ledger, b"/cards/south/2.jpg", [], "south", latitude=0.0, longitude=0.0)
    folder, _ = write()
    assert table(folder, "deployments")[0]["latitude"] == "-12.00000"


def test_an_export_is_the_live_output_and_complete_however_long_a_delivery_takes(season, memory_folder, monkeypatch):
    out, to = memory_folder / "out", memory_folder / "to"
    out.mkdir()
    to.mkdir()
    (out / "deployments.csv").write_text(DEPLOYMENTS)
    (out / "datapackage.json").write_text('{"title": "Jaguars"}')
    monkeypatch.setattr(camtrap_dp, "_STEP_SECONDS", 0.0)
    monkeypatch.setattr(camtrap_dp, "_CLOSING_SECONDS", 0.0)
    configuration = Configuration(out=out, csv=False, json_lines=False, camtrap_dp=True, species="Panthera onca")
    outputs.export(configuration, to, season)
    assert problems(to / "camtrap-dp") == []
    monkeypatch.undo()
    (live,) = outputs.open_sinks(configuration, out, season)
    while deliver_waiting(season, live):
        pass
    for name in ("deployments.csv", "media.csv", "observations.csv"):
        assert (to / "camtrap-dp" / name).read_bytes() == (out / "camtrap-dp" / name).read_bytes()
    (to / "deployments.csv").write_text(DEPLOYMENTS.replace("-12.5", "-13.5"))  # the table in the export's own folder goes first
    outputs.export(configuration, to, season)
    assert table(to / "camtrap-dp", "deployments")[0]["latitude"] == "-13.5"


def test_the_export_of_a_ledger_without_answers_is_a_package_too(ledger, memory_folder):
    outputs.export(Configuration(out=memory_folder / "out", csv=False, json_lines=False, camtrap_dp=True), memory_folder, ledger)
    assert problems(memory_folder / "camtrap-dp") == []
