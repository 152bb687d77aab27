"""Two people at one question, what assistive technologies find, and whether the outputs of the daemon tell what the gallery holds."""

from __future__ import annotations

import csv
import json
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from reid_edge.gallery import Gallery
from reid_edge_benchmarks.review.browser import open_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGES = ("/", "/individuals", "/history", "/doubles", "/docs")


def measure_conflicts(browser: Browser, address: str, gallery: Path, rounds: int) -> dict[str, int]:
    """Ana and Ben look at the same question, Ana decides, then Ben: how often the conflict was shown to him, and what was overwritten.

    There are at most so many rounds as questions.
    """
    done = shown = overwritten = 0
    ana, ben = (open_page(browser, address, person) for person in ("Ana", "Ben"))
    for _ in range(rounds):
        for page in (ana, ben):
            page.goto(f"{address}/?show=all")
            page.wait_for_selector("#question-title")
        if ana.query_selector("svg.pair") is None:
            break
        done += 1
        with ana.expect_response(lambda response: "/decide" in response.url):
            ana.keyboard.press("x")
        with ben.expect_response(lambda response: "/decide" in response.url) as answered:
            ben.keyboard.press("Enter")
        shown += answered.value.status == 409 and "Meanwhile Ana said" in answered.value.text()
        with Gallery.open(gallery, writable=False) as opened:
            overwritten += opened.reviews()[-1].person != "Ana"
    for page in (ana, ben):
        page.context.close()
    return {"rounds": done, "shown": shown, "overwritten": overwritten}


def measure_accessibility(browser: Browser, address: str, individual: str) -> dict[str, int]:
    """What axe-core finds on the pages, light and dark, wide and narrow, by impact."""
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    found: Counter[str] = Counter()
    for scheme in ("light", "dark"):
        for width in (1280, 390):
            page = open_page(browser, address, "Ana", color_scheme=scheme, viewport={"width": width, "height": 900})
            for path in (*PAGES, f"/individual?name={individual}"):
                page.goto(address + path)
                if path == "/":
                    page.wait_for_selector("#question-title")
                page.evaluate(axe)
                found.update(each["impact"] or "minor" for each in page.evaluate("axe.run()")["violations"])
            page.context.close()
    return {impact: found[impact] for impact in ("critical", "serious", "moderate", "minor")}


def differences(out: Path, gallery: Path) -> dict[str, int]:
    """For each output of a daemon's folder, how many reviewed animals it tells otherwise than the gallery.

    Args:
        out: the folder, after the daemon has followed the reviews.
        gallery: with the reviews.
    """
    with Gallery.open(gallery, writable=False) as opened:
        final = {(each.photo_sha256, each.animal_index): each.identity or "" for each in opened.reviews() if each.is_final}
    told: dict[str, dict[tuple[str, int], str]] = {"answers.csv": {}, "answers.jsonl": {}}
    with (out / "answers.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["animal_number"]:
                told["answers.csv"][row["sha256"], int(row["animal_number"]) - 1] = row["identity"]
    for line in (out / "answers.jsonl").read_text(encoding="utf-8").splitlines():
        body = json.loads(line)
        for animal in body.get("animals", ()) if "photo" in body else ():
            told["answers.jsonl"][body["photo"]["sha256"], animal["animal"]["index"]] = animal["identity"] or ""
    package = out / "camtrap-dp" / "observations.csv"
    if package.is_file():
        with package.open(encoding="utf-8", newline="") as file:
            by_person = [row for row in csv.DictReader(file) if row["classificationMethod"] == "human"]
        named = Counter(row["individualID"] for row in by_person if row["individualID"] and row["observationLevel"] == "media")
        wanted = Counter(identity for identity in final.values() if identity)
        camtrap = sum((named - wanted).values()) + sum((wanted - named).values())
        return {**_counts(told, final), "camtrap-dp": camtrap}
    return _counts(told, final)


def _counts(told: dict[str, dict[tuple[str, int], str]], final: dict[tuple[str, int], str]) -> dict[str, int]:
    return {name: sum(found.get(key) != identity for key, identity in final.items()) for name, found in told.items()}
