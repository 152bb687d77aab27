"""`reid-edge gallery` from the command line: results on stdout, the rest on stderr, exit codes as promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from reid_edge.cli.gallery_commands import gallery as commands
from reid_edge.errors import GalleryError, UsageError
from reid_edge.gallery import Gallery


@pytest.fixture
def run(gallery):
    """run(command, *arguments): on the gallery of the test; raises what a command raises."""

    def do(*arguments, **options):
        environment = {"REID_EDGE_GALLERY": str(gallery.path)}
        return CliRunner().invoke(commands, [str(one) for one in arguments], env=environment, catch_exceptions=False, **options)

    return do


def test_init_makes_a_gallery_once(run, folder):
    path = folder / "new.sqlite"
    made = run("init", "--gallery", path)
    assert (made.exit_code, made.stdout) == (0, "")
    assert str(path) in made.stderr
    Gallery.open(path).close()
    with pytest.raises(GalleryError, match="already exists"):
        run("init", "--gallery", path)


def test_list_and_show_print_lines_for_programs_when_there_is_no_terminal(run, gallery, add):
    add(gallery, 1, "🦓", species="zebra", viewpoint="left", taken_at="2024", place="a\x1b[2Jb")
    add(gallery, 2, "[red]Anna", species="tiger")
    header = "name\tspecies\tsightings\tviewpoints\tlast seen\n"
    assert run("list").stdout == f"{header}[red]Anna\ttiger\t1\t\t\n🦓\tzebra\t1\tleft\t2024\n"
    assert run("list", "--species", "zebra").stdout.startswith(f"{header}🦓")
    shown = run("show", "🦓")
    assert shown.stdout == (
        "sighting\tphoto\tviewpoint\ttaken\tplace\tencounter\tpath\n1\t1.jpg\tleft\t2024\ta\N{REPLACEMENT CHARACTER}[2Jb\t\t\n"
    )
    assert "1 sighting, zebra" in shown.stderr


def test_json_gives_one_object_a_line(run, gallery, add):
    add(gallery, 1, "Zoe", box=(1, 2, 3, 4))
    add(gallery, 2, "Anna")
    names = [json.loads(line)["name"] for line in run("list", "--json").stdout.splitlines()]
    assert names == ["Anna", "Zoe"]
    (line,) = run("show", "Zoe", "--json").stdout.splitlines()
    assert json.loads(line)["sightings"][0]["box"] == [1.0, 2.0, 3.0, 4.0]
    kinds = [json.loads(line)["kind"] for line in run("history", "--json").stdout.splitlines()]
    assert kinds == ["add", "add"]


def test_an_empty_gallery_says_so_on_stderr(run):
    listed = run("list")
    assert (listed.exit_code, listed.stdout) == (0, "name\tspecies\tsightings\tviewpoints\tlast seen\n")
    assert "The gallery is empty" in listed.stderr


def test_every_correction_changes_the_gallery_and_undo_says_what_it_undid(run, gallery, add):
    for number, name in enumerate(("Zoe", "Zoe", "Anna")):
        add(gallery, number, name)
    hashes = [gallery.content_hash()]
    for command in (
        ("rename", "Anna", "Bea"),
        ("merge", "Bea", "--into", "Zoe"),
        ("split", "Zoe", 1, 2, "--into", "Cleo"),
        ("remove", "--sighting", 1, "--yes"),
        ("remove", "Cleo", "--yes"),
    ):
        done = run(*command)
        assert (done.exit_code, done.stdout) == (0, "")
        assert done.stderr
        hashes.append(gallery.content_hash())
    assert len(set(hashes)) == len(hashes)
    assert run("history", "--limit", 2).stdout.count("remove") == 2
    assert "Undone: remove Cleo" in run("undo").stdout
    assert gallery.content_hash() == hashes[-2]
    undone = run("undo", "--count", 4).stdout.splitlines()
    assert [line.split()[1] for line in undone] == ["remove", "split", "merge", "rename"]
    assert gallery.content_hash() == hashes[0]


def test_remove_asks_and_no_answer_removes_nothing(run, gallery, add):
    add(gallery, 1, "Zoe")
    asked = run("remove", "Zoe", input="n\n")
    assert asked.exit_code == 1
    assert "Remove Zoe with 1 sighting?" in asked.stderr
    assert run("remove", "Zoe", input="").exit_code == 1
    assert gallery.individual("Zoe").sightings == 1
    run("remove", "Zoe", input="y\n")
    assert gallery.individuals() == []
    for arguments in ((), ("Zoe", "--sighting", 1)):
        with pytest.raises(UsageError):
            run("remove", *arguments)


def test_export_and_import_carry_a_gallery_and_tell_of_contradictions(run, gallery, add, folder):
    add(gallery, 1, "Zoe")
    add(gallery, 2, "Anna")
    assert "2 sightings" in run("export", folder / "out.zip").stderr
    run("rename", "Zoe", "Bea")
    imported = run("import", folder / "out.zip")
    assert imported.stdout.startswith("1.jpg: Bea in this gallery, Zoe in")
    assert "Added 0 sightings; 2 were in the gallery already, 1 of them under another name." in imported.stderr


@pytest.mark.file_only
def test_check_exits_4_where_the_gallery_is_damaged(run, gallery, add):
    add(gallery, 1, "Zoe", photo_path="/nowhere/1.jpg")
    whole = run("check")
    assert whole.exit_code == 0
    assert whole.stdout.startswith("info: 1 of 1 photos")
    gallery.database.execute("UPDATE feature SET crc32 = 0 WHERE id = 1")
    damaged = run("check")
    assert damaged.exit_code == 4
    assert "damage: The feature" in damaged.stdout


def test_the_commands_are_listed_without_loading_numpy():
    script = (
        "import sys\nfrom reid_edge.cli.gallery_commands import gallery\n"
        "try:\n    gallery(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'numpy', 'cv2', 'rich', 'sqlite3'} & set(sys.modules), 'loaded'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("init", "list", "show", "rename", "merge", "split", "remove", "undo", "history", "export", "import", "check"):
        assert f"  {name} " in done.stdout


@pytest.mark.file_only
def test_check_offers_a_repair_and_repair_says_what_it_does_before_it_asks(run, gallery, add):
    add(gallery, 1, "Zoe")
    add(gallery, 2, "Anna")
    whole = run("check", "--repair")
    assert (whole.exit_code, "There is nothing to repair" in whole.stderr) == (0, True)
    gallery.database.execute("UPDATE feature SET data = zeroblob(length(data)) WHERE sighting_id = 1")
    checked = run("check")
    assert (checked.exit_code, "gallery check --repair" in checked.stderr) == (4, True)
    before = gallery.path.read_bytes()
    declined = run("check", "--repair", input="n\n")
    assert declined.exit_code == 1
    assert gallery.path.read_bytes() == before
    said = declined.stderr
    assert said.index("A repair can:") < said.index("damaged features of 1 sightings") < said.index("A repair cannot:")
    assert said.index("whose photo" if "whose photo" in said else "without the photo") < said.index("Repair it now?")
    done = run("check", "--repair", "--yes")
    assert (done.exit_code, "Repaired " in done.stderr) == (0, True)
    (kept,) = gallery.path.parent.glob("gallery.damaged-*.sqlite")
    assert kept.read_bytes() == before
    assert run("check").exit_code == 0


@pytest.mark.file_only
def test_backup_says_what_it_made_and_nothing_where_nothing_changed(run, gallery, add, folder):
    add(gallery, 1, "Zoe")
    made = run("backup", folder / "b")
    assert (made.exit_code, made.stdout) == (0, "")
    assert "gallery-000001-" in made.stderr
    assert "Nothing changed since the newest of 1 backup" in run("backup", folder / "b").stderr
    for name in ("Bea", "Cleo", "Dora"):
        gallery.rename("Zoe" if name == "Bea" else {"Cleo": "Bea", "Dora": "Cleo"}[name], name)
        run("backup", folder / "b", "--last", 2, "--hourly", 0, "--daily", 0, "--weekly", 0)
    assert sorted(path.name.split("-")[1] for path in (folder / "b").iterdir()) == ["000003", "000004"]
