"""The pictures of the documentation, made from the sample animals: the pair view, the individuals, one of them, and a phone."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import reid_edge
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.processes import python_command
from reid_edge_benchmarks.commands import import_folders, run_command
from reid_edge_benchmarks.review.browser import chromium, open_page
from reid_edge_benchmarks.review.serving import served

_SAMPLES = Path(reid_edge.__file__).parent / "samples"
_WIDE = {"width": 1180, "height": 860}


def make_screenshots(out: Path) -> list[Path]:
    """Write the pictures into the folder `out`, which is made where it is missing.

    Raises:
        UsageError: a command failed, or no Chromium is installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures = [out / f"{name}.jpg" for name in ("pair", "individuals", "individual", "phone")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gallery = folder / "gallery.sqlite"
        run_command(["gallery", "add", str(_SAMPLES), "--split", "database", "--gallery", str(gallery)])
        _place(gallery)
        photos = shutil.copytree(_SAMPLES / "photos", folder / "camera 4")
        answers = _answers(photos, gallery)
        with served("review", "--answers", answers, "--gallery", gallery) as page, chromium() as browser:
            wide = open_page(browser, page.address, "Ana", viewport=_WIDE)
            wide.wait_for_selector("svg.pair .matches")
            wide.keyboard.press("l")
            wide.wait_for_timeout(300)
            wide.screenshot(quality=85, path=pictures[0])
            wide.goto(f"{page.address}/individuals")
            wide.screenshot(quality=85, path=pictures[1])
            wide.goto(f"{page.address}/individual?name=Chipo")
            wide.screenshot(quality=85, path=pictures[2])
            phone = open_page(browser, page.address, "Ana", viewport={"width": 390, "height": 844})
            phone.wait_for_selector("svg.pair .matches")
            phone.screenshot(quality=85, path=pictures[3])
    return pictures


def _answers(photos: Path, gallery: Path) -> Path:
    """The answers with evidence, which an explained run prints."""
    answers = photos.parent / "answers.jsonl"
    arguments = ("identify", str(photos), "--gallery", str(gallery), "--viewpoint", "left", "--json")
    command = python_command("reid_edge", *arguments, "--explain", str(photos.parent / "x.html"), path=import_folders(None))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UsageError(f"reid-edge identify failed: {done.stderr.strip()}", "Run the command by hand.")
    answers.write_text(done.stdout, encoding="utf-8")
    return answers


def _place(gallery: Path) -> None:
    """The samples note no places; for the map they get some, around Lake Victoria."""
    with Gallery.open(gallery) as opened, opened.database.transaction():
        opened.database.execute(
            "UPDATE sighting SET latitude = -1.6 + (id % 5) * 0.11, longitude = 34.4 + (id % 7) * 0.13, place = 'camera ' || (id % 4 + 1)"
        )
