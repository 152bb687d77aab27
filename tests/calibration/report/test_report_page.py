"""The report is one page that needs nothing else, tells what was fitted in words, and appears whole or not at all."""

from __future__ import annotations

import math
import re
import resource
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from reid_edge.errors import StorageError
from reid_edge_calibration.report import ReportedChoice, write_report

VOID = {"meta", "link"}
HOSTILE = '<b>&"\x00\ud800\u202e</title><script>alert(1)</script>'


class Page(HTMLParser):
    """A reader that knows HTML only: fails on tags that do not match, keeps tags, attributes and what is read."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.words, self.ids = [], [], [], [], []
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def written(tmp_path):
    def write(report):
        write_report(tmp_path / "report.html", report)
        return (tmp_path / "report.html").read_text("utf-8")

    return write


def test_four_species_with_three_scores_each_are_less_than_half_a_megabyte(written, report, entry, score):
    scores = tuple(replace(score, name=name) for name in ("embedding", "cheap matcher", "costly matcher"))
    page = written(report(*(entry(name, scores) for name in ("zebra", "tiger", "turtle", "any other species"))))
    assert len(page.encode()) < 500_000  # 216,000 measured
    assert Page(page).tags.count("article") == 6
    assert Page(page).tags.count("svg") == 4 * (3 + 3 * 2)


def test_every_drawing_is_well_formed_and_has_a_title_and_a_table(written, report, entry, score):
    page = written(report(entry(scores=(score,))))
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        svg = ElementTree.fromstring(drawing)
        assert svg.find("title").text
        assert svg.find("desc").text
        assert not re.search(r"\bnan\b|\binf\b", drawing)
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert len(figures) == 5
    assert all("<svg" in figure and "<table" in figure and "<figcaption" in figure for figure in figures)


def test_the_page_refers_to_nothing_outside_it(written, report, entry, score):
    content = written(report(entry(scores=(score,))))
    page = Page(content)
    targets = [value for key, value in page.attributes if key in {"href", "src", "xlink:href", "action", "srcset"}]
    assert all(target == "data:," or target[1:] in page.ids for target in targets)
    assert "http" not in content.replace("http-equiv", "")
    assert not re.search(r"url\(|@import", content)
    assert "script" not in page.tags
    assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'") in page.attributes


def test_names_from_outside_are_shown_and_never_markup(written, report, entry, score):
    choice = ReportedChoice(HOSTILE, {HOSTILE: (0.5, 0.1)}, "GeoMean", {HOSTILE: 1.0})
    hostile = entry(
        HOSTILE, (replace(score, name=HOSTILE),), facts={HOSTILE: HOSTILE}, fusion=choice, pooling=choice, evidence=choice
    )
    content = written(
        report(hostile, pack=HOSTILE, version=HOSTILE, created=HOSTILE, options={HOSTILE: HOSTILE}, notes=(HOSTILE,))
    )
    page = Page(content)
    assert not {"b", "script"} & set(page.tags)
    assert page.tags.count("title") == 1 + 5
    assert page.text.count('<b>&"') > 15
    assert "\x00" not in content
    for drawing in re.findall(r"<svg.*?</svg>", content, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_the_decision_is_explained_in_words_with_its_figures(written, report, entry):
    text = Page(written(report(entry()))).text.replace("\u00a0", " ")
    assert "answered as known if its evidence is more than 0.610, and as new if its evidence is less than 0.420" in text
    assert "a person was asked about 12.3 % of them" in text
    assert "1.8 % of all photos were answered wrongly without a person; with 95 % confidence, this share is at most 3.1 %" in text
    assert "The target (--max-wrong) is 2.0 %. The labelled photos are too few, or too hard, to confirm it." in text
    assert (
        "GeoMean, the geometric mean of right answers for known and for new animals, is 0.931 (95 % interval 0.900 to 0.960)"
        in text
    )
    assert "Stacking" not in text
    assert "Fusion of the scores: stacking" in text


def test_a_target_that_is_met_no_band_and_borrowing_are_explained_too(written, report, entry):
    narrow = entry(ask_low=0.5, ask_high=0.5, wrong_bound=0.01, borrows=True)
    text = Page(written(report(narrow))).text
    assert "if its evidence is 0.500 or more, else as new. No person is asked." in text
    assert "The labelled photos confirm it." in text
    assert "are those of all species together" in text
    assert "as new never without a person" in Page(written(report(entry(ask_low=0.0)))).text
    assert "A person is asked about every animal" in Page(written(report(entry(ask_low=0.0, ask_high=1.0)))).text
    assert "The target" not in Page(written(report(entry(target_error=None)))).text


def test_geomean_at_a_threshold_is_that_of_its_step(written, report, entry):
    steps = entry(curve_edges=np.array([0, 0.35, 0.8, 1.0]), curve_value=np.array([0.1, 0.9, 0.3]), threshold=0.6, ask_high=0.7)
    page = written(report(steps))
    rows = dict(re.findall(r'<tr><th scope="row"><bdi>(0\.\d{3})</bdi></th><td>(0\.\d{3})</td></tr>', page))
    assert {key: rows[key] for key in ("0.300", "0.400", "0.600", "0.800", "0.900")} == {
        "0.300": "0.100",
        "0.400": "0.900",
        "0.600": "0.900",
        "0.800": "0.900",
        "0.900": "0.300",
    }


def test_what_is_not_known_is_a_dash_and_empty_parts_are_said_to_be_empty(written, report, entry):
    none = np.empty(0)
    unknown = dict.fromkeys(("geomean", "geomean_low", "geomean_high", "asked", "wrong_unattended", "wrong_bound"), math.nan)
    bare = entry(
        trials=2,
        facts={},
        known_evidence=none,
        unknown_evidence=none,
        final_probability=none,
        final_right=none.astype(bool),
        final_weight=none,
        **unknown,
    )
    content = written(report(bare, notes=()))
    assert "–" in content
    assert not re.search(r"\bnan\b", Page(content).text)
    assert "There are no answers to compare the probability with." in content
    assert "No facts were recorded." in content
    assert "The target" not in content


def test_notes_warnings_and_facts_are_there(written, report, entry):
    text = Page(written(report(entry(), notes=("First note.", "Second warning."), version="1.2.0"))).text
    assert "First note." in text
    assert "Second warning." in text
    assert "Positive pairs 1,258" in text
    assert "Geomean of trials 0.9123" in text
    assert "Fitted yes" in text
    assert "listed" not in text.lower()


def test_the_command_can_be_typed_again(written, report, entry):
    page = Page(written(report(entry())))
    command = next(words for words in page.words if words.startswith("reid-edge calibrate"))
    expected = ["reid-edge", "calibrate", "zebra.csv", "my tigers.csv", "--pack", "field", "--seed", "7", "--keep-going"]
    assert shlex.split(command) == expected


def test_the_same_report_is_the_same_page(tmp_path, report, entry, score):
    for name in ("first.html", "second.html"):
        write_report(tmp_path / name, report(entry(scores=(score,))))
    assert (tmp_path / "first.html").read_bytes() == (tmp_path / "second.html").read_bytes()


def test_a_missing_folder_is_a_storage_error(tmp_path, report, entry):
    with pytest.raises(StorageError, match=r"report\.html"):
        write_report(tmp_path / "missing" / "report.html", report(entry()))


def test_a_full_disk_is_a_storage_error_and_leaves_the_old_page(tmp_path, report, entry):
    path = tmp_path / "report.html"
    path.write_text("the old page")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StorageError, match="write the report"):
            write_report(path, report(entry()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "the old page"
    assert [left.name for left in tmp_path.iterdir()] == ["report.html"]
