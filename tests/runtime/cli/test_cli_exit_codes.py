"""What went wrong is one sentence and what to do about it is another; the exit code says what kind it was."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess

import pytest

from reid_edge.cli import main
from reid_edge.gallery import Gallery


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What was said about it, after checking that it was said well."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


def test_help_and_version_are_no_error(run_cli):
    assert run_cli("--help").returncode == 0
    said = run_cli("--version")
    assert said.returncode == 0
    assert said.stdout.startswith("reid-edge, version ")


@pytest.mark.parametrize(("typed", "meant"), [("identfy", "identify"), ("galery", "gallery"), ("docter", "doctor")])
def test_an_unknown_command_is_answered_with_the_nearest(capsys, typed, meant):
    with pytest.raises(SystemExit) as left:
        main([typed])
    assert left.value.code == 2
    assert f"There is no command '{typed}'. Did you mean '{meant}'?" in capsys.readouterr().err


def test_a_command_that_resembles_nothing_is_answered_without_a_guess(capsys):
    with pytest.raises(SystemExit) as left:
        main(["xyz"])
    assert left.value.code == 2
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["identify"], "Missing argument 'PHOTOS...'"),
        (["identify", "p.jpg", "--top", "0"], "Invalid value for '--top'"),
        (["identify", "p.jpg", "--threads", "0"], "Invalid value for '--threads'"),
        (["identify", "p.jpg", "--jsom"], "--json"),
        (["identify", "p.jpg", "--json", "--csv"], "exclude each other"),
        (["gallery", "add", "nowhere"], "There is nothing at nowhere."),
    ],
)
def test_a_command_line_that_asks_for_the_impossible_exits_2(capsys, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_an_empty_folder_exits_2(run_main, tmp_path, small_gallery):
    (tmp_path / "empty").mkdir()
    assert "empty holds no photos." in refused(run_main("identify", "empty", "--gallery", small_gallery), 2)
    assert "empty holds no photo to enrol." in refused(run_main("gallery", "add", "empty"), 2)


def test_a_number_of_threads_that_cannot_be_exits_2(run_main, small_gallery):
    done = run_main("identify", "p.jpg", "--gallery", small_gallery, REID_EDGE_THREADS="many")
    assert "REID_EDGE_THREADS=many is not a whole number" in refused(done, 2)


def test_a_missing_device_exits_3_and_says_what_to_install(run_main, small_gallery, samples):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    photo = samples / "photos" / "trail_1.jpg"
    said = refused(run_main("identify", photo, "--gallery", small_gallery, "--device", "cuda"), 3)
    assert "The device cuda was asked for, but this ONNX Runtime has no provider for it." in said
    assert "pip install '.[gpu]'" in said


def test_a_missing_or_broken_pack_exits_3(run_main, small_gallery, samples, field_pack, tmp_path):
    photo = samples / "photos" / "trail_1.jpg"
    said = refused(run_main("identify", photo, "--gallery", small_gallery, "--pack", "feild"), 3)
    assert "There is no pack 'feild'" in said
    assert "field" in said
    broken = shutil.copytree(field_pack.source, tmp_path / "broken")
    (broken / "u2netp.onnx").chmod(0o644)
    with (broken / "u2netp.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\1\2\3")
    for command in (("identify", photo, "--gallery", small_gallery), ("gallery", "add", photo, "--identity", "Imara")):
        said = refused(run_main(*command, "--pack", "./broken"), 3)
        assert "The pack broken is refused: 'u2netp.onnx' has the sha256" in said
    assert not (tmp_path / "gallery.sqlite").exists()


def test_a_missing_gallery_or_one_that_is_none_exits_4(run_main, samples, tmp_path):
    photo = samples / "photos" / "trail_1.jpg"
    assert "There is no gallery at gallery.sqlite." in refused(run_main("identify", photo), 4)
    text = tmp_path / "notes.txt"
    text.write_text("Not a gallery, but long enough to be read as the beginning of one. " * 20)
    for command in (("identify", photo), ("gallery", "add", photo, "--identity", "Imara"), ("gallery", "list")):
        assert "notes.txt is not a gallery." in refused(run_main(*command, "--gallery", text), 4)
    assert "folder, not a gallery" in refused(run_main("identify", photo, "--gallery", tmp_path), 4)
    assert text.read_text().startswith("Not a gallery")


def test_a_gallery_that_another_process_holds_exits_4_after_a_while(command, environment, own_gallery, samples, tmp_path):
    photo = str(samples / "photos" / "trail_3.jpg")
    starts = (["gallery", "add", photo, "--identity", "Kito"], ["identify", photo])
    with contextlib.closing(sqlite3.connect(own_gallery, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        waiting = [
            subprocess.Popen(
                [*command, *start, "--gallery", own_gallery],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for start in starts
        ]
        said = [process.communicate(timeout=120)[1] for process in waiting]
    assert [process.returncode for process in waiting] == [4, 4]
    for text in said:
        assert f"The gallery {own_gallery} is in use by another process." in text
        assert "Traceback" not in text
    with Gallery.open(own_gallery, writable=False) as gallery:
        assert len(gallery.sightings()) == 24


def test_a_report_that_cannot_be_written_exits_5_before_any_work(run_main, small_gallery, samples):
    done = run_main("identify", samples / "photos", "--gallery", small_gallery, "--explain", "/nonexistent/out.html")
    assert "/nonexistent/out.html" in refused(done, 5)


def test_no_as_an_answer_is_not_called_an_interruption(command, environment, own_gallery):
    done = subprocess.run(
        [*command, "gallery", "remove", "Asha", "--gallery", own_gallery],
        input="n\n",
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("reid-edge: Nothing was done.\n")
