"""`reid-edge identify`: answers on stdout, the rest on stderr, whatever the photos are."""

from __future__ import annotations

import csv
import ctypes
import io
import json
import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reid_edge.gallery import Gallery
from reid_edge.pack import NewFile, write_pack

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMAS = {
    schema["properties"]["schema"]["const"]: schema
    for schema in (json.loads((DOCS / f"{name}.schema.json").read_text("utf-8")) for name in ("decision", "unreadable"))
}


def lines_of(stdout: str) -> list[dict]:
    """The JSON Lines, each checked against the published schema that it names."""
    lines = [json.loads(line) for line in stdout.splitlines()]
    for line in lines:
        Draft202012Validator(SCHEMAS[line["schema"]]).validate(line)
    return lines


def test_text_answers_say_who_how_sure_who_else_and_why(run_main, small_gallery, samples):
    photos = [samples / "photos" / f"trail_{number}.jpg" for number in (2, 5)]
    done = run_main("identify", *photos, "--gallery", small_gallery, "--timings", "--viewpoint", "left")
    assert (done.returncode, done.stderr) == (0, "")
    known, asked = re.split(r"^(?=trail)", done.stdout, flags=re.MULTILINE)[1:]
    assert re.search(r"^  known Chipo, (> )?\d\d %$", known, re.MULTILINE)
    assert re.search(r"^        \d+ (verified )?points match chipo_\d.jpg", known, re.MULTILINE)
    assert re.search(r"^        \d+ ms: decode \d+, segment \d+, .*decide \d+ \(CPUExecutionProvider\)$", known, re.MULTILINE)
    assert re.search(r"^  (ask   possibly|new  ) a new individual, (> )?\d\d %$", asked, re.MULTILINE)
    assert re.search(r"\d+ (verified )?points? match(es)? \w+_\d.jpg \(\w+\)", asked)
    for word in ("fused", "evidence", "threshold", "calibration"):
        assert word not in done.stdout


def test_json_lines_follow_the_schema_and_bad_photos_are_told_on_stderr(run_cli, small_gallery, samples, tmp_path):
    (tmp_path / "text.jpg").write_text("not a photo")
    (tmp_path / "zero.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    shutil.copy(samples / "photos" / "trail_4.jpg", tmp_path / "folder.jpg" / "inside.jpg")
    arguments = [samples / "photos" / "trail_1.jpg", "text.jpg", "zero.jpg", "missing.jpg", "folder.jpg"]
    done = run_cli("identify", *arguments, "--gallery", small_gallery, "--json", "--top", 2, REID_EDGE_THREADS="1")
    assert done.returncode == 1
    every = lines_of(done.stdout)
    lines = [line for line in every if "error" not in line]
    assert [(line["photo"]["name"], line["identity"]) for line in lines] == [("trail_1.jpg", "Imara"), ("inside.jpg", "Asha")]
    unreadable = [line for line in every if "error" in line]
    assert [line["photo"]["path"] for line in unreadable] == ["text.jpg", "zero.jpg", "missing.jpg"]
    assert unreadable[0]["error"].startswith("text.jpg is a text file, not a photo.")
    assert lines[1]["photo"]["path"] == "folder.jpg/inside.jpg"
    assert all(len(line["ranking"]) == 2 and line["engine"]["threads"] == 1 for line in lines)
    told = done.stderr.splitlines()
    assert [line.split()[1] for line in told[:3]] == ["text.jpg", "zero.jpg", "missing.jpg"]
    assert told[3:] == ["3 of 5 photos could not be answered; see above."]


def test_csv_has_a_row_for_each_animal_and_each_failure(run_main, small_gallery, samples, tmp_path):
    (tmp_path / "a,b.jpg").write_text("not a photo")
    photo = samples / "photos" / "trail_5.jpg"
    done = run_main("identify", "a,b.jpg", photo, "--gallery", small_gallery, "--csv", "--device", "cpu", "--viewpoint", "left")
    assert done.returncode == 1
    bad, good = csv.DictReader(io.StringIO(done.stdout))
    assert bad["photo"] == "a,b.jpg"
    assert bad["error"]
    assert not bad["verdict"]
    assert (good["photo"], good["animal"], good["verdict"], good["error"]) == (str(photo), "1", "ask", "")
    assert good["identity"]
    assert good["identity"] in good["reason"]
    assert 0 <= float(good["runner_up_probability"]) <= float(good["probability"]) < float(good["unknown_probability"]) <= 1


def test_the_report_holds_the_evidence_that_the_json_names(run_main, small_gallery, samples, tmp_path):
    done = run_main("identify", samples / "photos" / "trail_4.jpg", "--gallery", small_gallery, "--json", "--explain", "out.html")
    assert done.returncode == 0
    assert done.stderr == "The evidence is in out.html.\n"
    (line,) = lines_of(done.stdout)
    matchers = [points["matcher"] for points in line["ranking"][0]["matches"]]
    assert matchers == ["xfeat-coarse", "xfeat-distinctive", "xfeat-verified", "xfeat-lighterglue"]
    page = (tmp_path / "out.html").read_text("utf-8")
    assert "Asha" in page
    assert line["photo"]["sha256"][:12] in page or "trail_4.jpg" in page


def test_names_that_a_terminal_or_an_encoding_cannot_show_are_no_reason_to_stop(run_cli, own_small_gallery, samples, tmp_path):
    with Gallery.open(own_small_gallery) as gallery:
        gallery.rename("Imara", "🦓 ../x")
    undecodable, steering = b"\xff.jpg", b"a\x1b[31m\nb.jpg"
    for name in (undecodable, steering):
        shutil.copy(samples / "photos" / "trail_1.jpg", tmp_path / os.fsdecode(name))
    photos = [os.fsdecode(undecodable), os.fsdecode(steering)]
    read = run_cli("identify", *photos, "--gallery", own_small_gallery, "--json", PYTHONIOENCODING="latin-1")
    assert (read.returncode, read.stderr) == (0, "")
    assert [line["identity"] for line in lines_of(read.stdout)] == ["🦓 ../x"] * 2
    shown = run_cli("identify", *photos, "--gallery", own_small_gallery, PYTHONIOENCODING="utf-8")
    assert shown.returncode == 0
    assert "🦓 ../x" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "Traceback" not in shown.stderr


def test_a_reader_that_goes_away_is_no_error_to_tell(command, environment, small_gallery, samples):
    arguments = [*command, "identify", samples / "photos", "--gallery", small_gallery, "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        first = process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
    assert lines_of(first)
    assert re.sub(r"^Identifying: \d+ of \d+, about \d+ s left\n", "", told, flags=re.MULTILINE) == ""  # as a slow machine tells
    assert process.returncode == 141


def test_a_disk_that_is_full_under_stdout_is_told(command, environment, small_gallery, samples):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*command, "identify", samples / "photos" / "trail_1.jpg", "--gallery", small_gallery],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            check=False,
        )
    assert done.returncode == 5
    assert done.stderr.startswith("reid-edge: No space left on device.\n")
    assert "Traceback" not in done.stderr


def obey_permissions() -> None:
    """In a child process: let permissions hold for root too (linux/capability.h: DAC_OVERRIDE 1, DAC_READ_SEARCH 2)."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="root obeys no permissions here")
def test_a_photo_that_may_not_be_read_is_told_and_a_gallery_that_may_only_be_read_answers(
    command, environment, small_gallery, samples, tmp_path
):
    folder = tmp_path / "card"
    folder.mkdir()
    shutil.copy(small_gallery, folder / "g.sqlite")
    shutil.copy(samples / "photos" / "trail_1.jpg", folder / "good.jpg")
    shutil.copy(samples / "photos" / "trail_2.jpg", folder / "secret.jpg")
    (folder / "secret.jpg").chmod(0)
    (folder / "g.sqlite").chmod(0o444)
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [*command, "identify", "secret.jpg", "good.jpg", "--gallery", "g.sqlite", "--json"],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
            preexec_fn=obey_permissions,
            timeout=120,
            check=False,
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 1
    assert "failed secret.jpg may not be read: permission denied. Change its permissions" in done.stderr
    good, secret = sorted(lines_of(done.stdout), key=lambda line: "error" in line)
    assert good["identity"] == "Imara"
    assert (secret["photo"]["name"], secret["error"]) == ("secret.jpg", "secret.jpg may not be read: permission denied.")
    assert sorted(path.name for path in folder.iterdir()) == ["g.sqlite", "good.jpg", "secret.jpg"]


def test_a_gallery_of_another_pack_is_described_again_first(run_main, own_small_gallery, samples, field_pack, tmp_path):
    recipe = deepcopy(dict(field_pack.recipe))
    recipe["extract"][0]["mask_margin"] = 0.1
    files = [NewFile(f.path, field_pack.read_bytes(f.path), f.licence, f.origin) for f in field_pack.manifest.files]
    write_pack(tmp_path / "wider", replace(field_pack.manifest, name="wider", recipe=recipe), files)
    arguments = ("identify", samples / "photos" / "trail_4.jpg", "--gallery", own_small_gallery, "--json", "--pack", "./wider")
    first = run_main(*arguments)
    assert first.returncode == 0
    assert first.stderr == "The pack ./wider has not described 4 photos of the gallery yet; describing them now.\n"
    second = run_main(*arguments)
    assert second.stderr == ""
    for done in (first, second):
        (line,) = lines_of(done.stdout)
        assert (line["identity"], line["pack"]["name"], line["recipe"]) == ("Asha", "wider", "wider")


def test_photos_of_every_format_are_answered_or_refused_by_name(run_main, small_gallery, shared):
    folder = shared / "data" / "camera_trap" / "formats"
    if not folder.is_dir():
        pytest.skip("the camera trap files are not among the real photos")
    done = run_main("identify", folder, "--gallery", small_gallery, "--json", "--viewpoint", "left")
    assert done.returncode == 1
    every = lines_of(done.stdout)
    lines = [line for line in every if "verdict" in line]
    names = {path.name for path in folder.iterdir()}
    refused = {"african_elephants_truncated_file.jpg", "zero_bytes.jpg"}
    assert {line["photo"]["name"] for line in lines} == names - refused
    assert {line["photo"]["name"] for line in every if "error" in line} == refused
    assert all(line["verdict"] != "known" for line in lines)
    for name in refused:
        assert f"failed {name} " in done.stderr
    blank = next(line for line in lines if line["photo"]["name"] == "blank.jpg")
    assert blank["warnings"] == ["No animal stands out in this photo; the whole frame was used."]
    assert blank["verdict"] == "ask"  # an empty frame is not a new individual


def test_a_video_is_answered_by_animal_as_text_json_and_report(run_main, sample_gallery, crossing, tmp_path):
    arguments = ("identify", crossing.path, "--gallery", sample_gallery.path, "--viewpoint", "left", "--video-seconds", "4")
    done = run_main(*arguments, "--json", "--explain", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    lines = lines_of(done.stdout)
    assert {(line["verdict"], line["identity"]) for line in lines} >= {("known", "Asha"), ("known", "Enzi")}
    assert [line["track"]["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert "in view from 0.0 to" in (tmp_path / "page.html").read_text("utf-8")
    text = run_main(*arguments)
    assert re.search(r"^crossing.avi, animal 1, from 0\.0 to \d\.\d s \(\d frames?\)$", text.stdout, re.MULTILINE)
