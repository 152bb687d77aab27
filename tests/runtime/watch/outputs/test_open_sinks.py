"""The outputs that are asked for are opened, and what was deleted of them comes back from the ledger."""

from __future__ import annotations

import csv
import dataclasses

import pytest

from reid_edge.errors import UsageError
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.outputs import CAMTRAP_DP, CSV, JSON_LINES, SIDECARS, open_sinks
from reid_edge.watch.outputs.camtrap_dp import write_deployments_template
from reid_edge.watch.outputs.deployments import read_deployments
from reid_edge.watch.outputs.sinks import deliver_waiting
from reid_edge.watch.outputs.species_names import scientific_name

ALL = {"json_lines": True, "csv": True, "camtrap_dp": True, "sidecar": True}
BOX = (64, 48, 320, 240)


@pytest.fixture
def configuration(memory_folder):
    return Configuration(folders=(memory_folder / "cards",), out=memory_folder, species="Tragelaphus angasii")


def deliver(ledger, configuration, **asked):
    sinks = open_sinks(dataclasses.replace(configuration, **asked), configuration.out, ledger)
    for sink in sinks:
        while deliver_waiting(ledger, sink, 3):
            pass
        sink.close()
    return [sink.name for sink in sinks]


@pytest.mark.parametrize(("field", "name"), [*zip(ALL, ["json-lines", "csv", "camtrap-dp", "sidecar"], strict=True)])
def test_each_output_is_opened_where_it_is_asked_for(ledger, configuration, field, name):
    assert deliver(ledger, configuration, **{**dict.fromkeys(ALL, False), field: True}) == [name]


def test_all_outputs_tell_the_same_and_deleted_ones_come_back(ledger, configuration, commit, answer_for, memory_folder):
    for number in range(5):
        commit(ledger, memory_folder / "cards" / f"{number}.jpg", [answer_for(0, "Asha", 0.97, BOX)] * (number % 2), close=True)
    deliver(ledger, configuration, **ALL)
    files = [memory_folder / JSON_LINES, memory_folder / CSV, *sorted((memory_folder / CAMTRAP_DP).iterdir())]
    before = {path: path.read_bytes() for path in files}
    assert before[memory_folder / CSV].count(b"\n") == 6
    assert before[memory_folder / CAMTRAP_DP / "media.csv"].count(b"\n") == 6
    assert b"Tragelaphus angasii" in before[memory_folder / CAMTRAP_DP / "datapackage.json"]
    assert len(list((memory_folder / SIDECARS).rglob("*.xmp"))) == 5  # these photos are nowhere
    for path in files:
        path.unlink()
    deliver(ledger, configuration, **ALL)
    for path in files:
        assert path.read_bytes() == before[path] or path.name == "datapackage.json"  # which says when it was made


def test_a_table_that_was_saved_from_a_spreadsheet_is_kept_and_made_again(
    ledger, configuration, commit, answer_for, memory_folder
):
    """A daemon that did not start for it would answer nothing for the rest of the season."""
    commit(ledger, memory_folder / "cards" / "1.jpg", [answer_for(0, "Asha", 0.97, BOX)], close=True)
    deliver(ledger, configuration)
    table = memory_folder / CSV
    whole = table.read_bytes()
    for number in (1, 2):
        saved = whole.replace(b",", b";") + b"%d" % number
        table.write_bytes(saved)
        deliver(ledger, configuration)
        assert table.read_bytes() == whole
        assert (memory_folder / f"answers-kept-{number}.csv").read_bytes() == saved


def test_a_persons_table_that_cannot_be_used_is_said_at_the_start(ledger, configuration, memory_folder):
    (memory_folder / "deployments.csv").write_text("camera\nnorth\n")
    with pytest.raises(UsageError, match="unknown column 'camera'"):
        deliver(ledger, configuration, **ALL)


def test_scientific_names_are_those_of_the_users_table_or_of_the_bundled_one(tmp_path):
    table = tmp_path / "species.csv"
    assert scientific_name("Plains_Zebra", table) == "Equus quagga"
    assert scientific_name("Nubian ibex", table) == "Nubian ibex"
    table.write_text("species,scientificName\nnubian ibex,Capra nubiana\nplains zebra,Equus quagga burchellii\n")
    assert scientific_name("Nubian ibex", table) == "Capra nubiana"
    assert scientific_name("plains zebra", table) == "Equus quagga burchellii"
    table.write_text("name\n")
    with pytest.raises(UsageError, match="no column species"):
        scientific_name("tiger", table)


def test_a_template_of_deployments_has_every_camera_and_what_its_photos_tell(ledger, commit, answer_for, memory_folder):
    box = (10, 20, 110, 220)
    facts = {"taken_at": "2024-05-06T07:00:00", "latitude": 48.0, "longitude": 9.0}
    commit(ledger, memory_folder / "a.jpg", [answer_for(0, "Asha", 0.97, box)], **facts)
    commit(ledger, memory_folder / "b.jpg", [], camera="gate", taken_at="2024-05-07T07:00:00")
    template = memory_folder / "template.csv"
    assert write_deployments_template(template, ledger, memory_folder / "deployments.csv") == 2
    with template.open(newline="", encoding="utf-8") as file:
        rows = {row["deploymentID"]: row for row in csv.DictReader(file)}
    assert (rows["waterhole"]["latitude"], rows["waterhole"]["longitude"]) == ("48.00000", "9.00000")
    assert rows["gate"]["deploymentComments"] == "Photos from 2024-05-07T07:00:00 to 2024-05-07T07:00:00 by the camera's clock."
    assert rows["gate"]["deploymentStart"] == ""
    assert len(read_deployments(template)) == 2
