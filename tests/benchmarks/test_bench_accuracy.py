"""bench accuracy: the answers are the runtime's own, the figures are what they say, and a mistake is found and shown."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reid_edge.describe.query import Query
from reid_edge.errors import UsageError
from reid_edge.gallery.enrolment_list import Enrolment, read_source
from reid_edge.identify.identifier import Identifier
from reid_edge.identify.session import Session
from reid_edge.photo import read_photo
from reid_edge_benchmarks.accuracy.answering import Measured, QueryAnswer, QueryAnswers
from reid_edge_benchmarks.accuracy.mistakes import draw_mistakes, worst
from reid_edge_benchmarks.accuracy.tables import ROWS, print_figures
from reid_edge_benchmarks.cli import bench
from reid_edge_calibration.labels.labelled_set import LabelledSet
from reid_edge_calibration.metrics import NEW

KNOWN = frozenset({"a", "b"})


def answer(truth: str, ranking: str, evidence: float, verdict: str = "known", threshold: float = 0.5) -> QueryAnswer:
    """An answer whose confidence is its evidence, or what is left of it for `new`."""
    known = evidence >= threshold
    return QueryAnswer(
        query=Enrolment(Path(f"{truth}.jpg"), truth),
        truth=truth,
        verdict=verdict,
        answered=ranking[:1] if known else NEW,
        confidence=evidence if known else 1 - evidence,
        ranking=tuple(ranking),
        probability=evidence,
        evidence=evidence,
        reason="because",
    )


SIX = (
    answer("a", "ab", 0.9),
    answer("a", "ab", 0.8),
    answer("b", "ab", 0.7),  # wrong, unattended
    answer("b", "ba", 0.45, "ask"),  # right, but below the threshold
    answer("x", "ab", 0.2, "new"),
    answer("y", "ba", 0.6, "ask"),
)


def test_the_costly_matcher_counts_where_it_was_run_and_has_no_row_where_the_recipe_has_none():
    half = QueryAnswers.of([replace(each, costly=number < 3) for number, each in enumerate(SIX)], KNOWN)
    assert half.figures()["costly matcher"] == 0.5
    assert "costly matcher" not in QueryAnswers.of(SIX, KNOWN).figures()


def measured(each: tuple[QueryAnswer, ...], name: str = "set") -> Measured:
    labelled = LabelledSet(name, "all", (), tuple(one.query for one in each), "")
    return Measured(labelled, Path("none.sqlite"), QueryAnswers.of(each, KNOWN), {})


class Page(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def mislabelled(few_samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The few samples as one species, with trail_1, which shows Imara, labelled Asha: the runtime cannot but answer wrongly."""
    with few_samples.open(newline="", encoding="utf-8") as table:
        rows = [{**row, "species": "sample animal"} for row in csv.DictReader(table)]
    path = tmp_path_factory.mktemp("mislabelled") / "metadata.csv"
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "identity": "Asha"} if row["image_id"] == "trail_1" else row for row in rows)
    return path


@pytest.fixture(scope="module")
def run(mislabelled: Path) -> tuple[Result, Path]:
    """`bench accuracy` on them once, with its JSON and its page."""
    folder = mislabelled.parent
    options = ["--json", str(folder / "a.json"), "--html", str(folder / "a.html"), "--threads", "2"]
    result = CliRunner().invoke(bench, ["accuracy", str(mislabelled), *options])
    assert result.exit_code == 0, result.output
    return result, folder


def test_the_figures_of_six_answers_worked_by_hand() -> None:
    figures = QueryAnswers.of(SIX, KNOWN).figures()
    assert figures["queries"] == 6
    assert figures["queries of new individuals"] == 2
    assert figures["R-1"] == 3 / 4
    assert figures["R-5"] == figures["R-20"] == figures["R-25"] == 1.0
    assert figures["mAP"] == pytest.approx((1 + 1 + 1 / 2 + 1) / 4)
    assert figures["BAKS"] == pytest.approx((2 / 2 + 0 / 2) / 2)
    assert figures["BAUS"] == pytest.approx((1 + 0) / 2)
    assert figures["GeoMean"] == pytest.approx(0.5)
    assert figures["GeoMean in hindsight"] == pytest.approx(math.sqrt(0.5))  # from 0.7 or 0.8 on: BAKS 1/2, BAUS 1
    assert figures["regret"] == pytest.approx(math.sqrt(0.5) - 0.5)
    assert figures["AUROC"] == pytest.approx(7 / 8)  # of 8 pairs, only 0.45 against 0.6 is the wrong way round
    assert figures["asked"] == pytest.approx(2 / 6)
    assert figures["wrong unattended"] == pytest.approx(1 / 6)
    assert figures["coverage at 1% error"] == pytest.approx(3 / 6)  # 0.9, 0.8 and the new one's 0.8 are right, 0.7 is not
    assert figures["Brier"] == pytest.approx((0.1**2 + 0.2**2 + 0.7**2 + 0.55**2 + 0.2**2 + 0.6**2) / 6)
    for name in ("R-1", "BAKS", "BAUS", "GeoMean"):
        assert figures[f"{name} low"] <= figures[name] <= figures[f"{name} high"]


def test_of_all_sets_together_every_individual_counts_the_same_and_names_are_those_of_their_set() -> None:
    good = QueryAnswers.of((answer("a", "ab", 0.9), answer("x", "ab", 0.1, "new")), KNOWN)
    bad = QueryAnswers.of((answer("a", "ba", 0.9), answer("x", "ba", 0.9)), KNOWN)
    together = QueryAnswers.together([("good", good), ("bad", bad)])
    figures = together.figures()
    assert (figures["BAKS"], figures["BAUS"], figures["R-1"], figures["queries"]) == (0.5, 0.5, 0.5, 4)
    assert {one.truth for one in together.each} == {"good/a", "good/x", "bad/a", "bad/x"}


def test_a_set_without_new_individuals_has_no_geomean_and_says_so_with_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    figures = QueryAnswers.of(SIX[:2], KNOWN).figures()
    assert math.isnan(figures["GeoMean"])
    assert math.isnan(figures["regret"])
    print_figures({"set": figures})
    lines = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in capsys.readouterr().out.splitlines()}
    assert lines["BAUS"] == lines["GeoMean"] == lines["regret"] == "–"
    assert lines["R-1"] == "1.000"


def test_the_table_fits_100_columns_however_many_sets_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    figures = QueryAnswers.of([replace(each, costly=True) for each in SIX], KNOWN).figures()
    print_figures({f"set number {number}": figures for number in range(9)})
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(sum(f"set number {number}" in line for line in lines) == 1 for number in range(9))
    assert [line.split("|")[1].strip() for line in lines].count("GeoMean in hindsight") == 3  # tables of 4, 4 and 1 sets
    assert {*ROWS} <= {line.split("|")[1].strip() for line in lines}


def test_the_worst_are_wrong_answers_without_a_person_by_confidence_then_questions_with_another_first() -> None:
    asked = answer("b", "ab", 0.48, "ask")
    called_new = answer("b", "ab", 0.1, "new")
    unknown_taken = answer("x", "ab", 0.95)
    mistakes = worst([measured((*SIX, asked, called_new)), measured((unknown_taken,))], 10)
    assert [mistake.answer for mistake in mistakes] == [unknown_taken, called_new, SIX[2], asked]
    assert [mistake.kind for mistake in mistakes] == [
        "taken for a known individual, but new",
        "called new, but known",
        "taken for another individual",
        "asked, with another individual first",
    ]
    assert [mistake.answer for mistake in worst([measured((*SIX, asked))], 1)] == [SIX[2]]


def test_the_answers_are_the_runtimes_own(run: tuple[Result, Path], session: Session, few_samples: Path) -> None:
    """The mistake's sentence and probability are those of a session that knows nothing of labels."""
    (mistake,) = json.loads((run[1] / "a.json").read_text("utf-8"))["mistakes"]
    (path,) = (row.path for row in read_source(few_samples, split="query") if row.path.name == "trail_1.jpg")
    decision = session.identifier.identify(read_photo(path), session.candidates, Query())[0]
    assert mistake["reason"] == decision.reason
    assert mistake["probability"] == pytest.approx(decision.probability, abs=1e-6)
    assert mistake["ranked first"] == decision.identity == "Imara"


def test_the_json_holds_all_figures_and_the_mistake(run: tuple[Result, Path], mislabelled: Path) -> None:
    facts = json.loads((run[1] / "a.json").read_text("utf-8"), parse_constant=pytest.fail)
    figures = facts["sets"][mislabelled.parent.name]["answers"]
    assert {*ROWS} <= figures.keys()
    assert figures["queries"] == 3
    assert figures["queries of new individuals"] == 1
    assert figures["R-1"] == 0.5  # trail_1 is called Asha, trail_2 is right, trail_3 is new
    assert figures["wrong unattended"] == pytest.approx(1 / 3)
    assert facts["mistakes"][0]["kind"] == "taken for another individual"
    assert facts["mistakes"][0]["photo"] == "trail_1.jpg"
    assert facts["mistakes"][0]["truth"] == "Asha"
    assert facts["sets"][mislabelled.parent.name]["milliseconds"]["whole"] > 0
    assert facts["machine"]["cores"] >= 1


def test_the_terminal_shows_the_figures_of_the_json(run: tuple[Result, Path]) -> None:
    lines = [line.split("|") for line in run[0].stdout.splitlines() if line.startswith("|")]
    shown = {cells[1].strip(): cells[2].strip() for cells in lines}
    assert shown["R-1"] == "0.500"
    assert shown["wrong unattended"] == "0.333"
    assert set(shown) >= set(ROWS)


def test_the_page_needs_nothing_from_outside_and_is_well_formed(run: tuple[Result, Path]) -> None:
    html = (run[1] / "a.html").read_text("utf-8")
    page = Page(html)
    assert page.open == []
    assert not page.all("script")
    assert "default-src 'none'" in html
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("href", "src")]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses if address.startswith("#")} <= set(ids)


def test_the_page_shows_the_mistake_beside_whom_it_was_taken_for_and_beside_the_right_one(run: tuple[Result, Path]) -> None:
    html = (run[1] / "a.html").read_text("utf-8")
    article = re.search(r'<article id="mistake-1".*?</article>', html, re.DOTALL).group()
    assert html.count('class="mistake"') == 1
    first, right = re.findall(r"<figure>.*?</figure>", article, re.DOTALL)
    assert "Imara" in first
    assert "imara_" in first
    assert "Asha" in right
    assert "asha_" in right
    assert first.count("<line ") > 20  # 95 matched points between two photos of Imara
    assert re.search(r"points match imara_\d.jpg", article)
    pictures = [attributes for attributes in Page(html).all("image") if attributes["href"].startswith("data:image/jpeg;base64,")]
    assert len(pictures) == 3  # the photo, Imara and Asha


def test_a_new_individual_taken_for_a_known_one_is_shown_beside_that_one_alone(
    few_samples: Path, few_gallery: Path, identifier: Identifier
) -> None:
    known = frozenset({"Asha", "Chipo", "Imara"})
    (row,) = (row for row in read_source(few_samples, split="query") if row.path.name == "trail_1.jpg")
    wrong = replace(answer("Stranger", "", 0.9), query=row, ranking=("Imara", "Asha"), answered="Imara")
    measured = Measured(LabelledSet("set", "all", (), (row,), ""), few_gallery, QueryAnswers.of((wrong,), known), {})
    (article,) = draw_mistakes(worst([measured], 1), identifier, lambda items, what: items)
    assert article.count("<figure>") == 1
    assert "Ranked first" in article
    assert "not in the gallery" in article


def test_the_page_has_the_diagrams_and_the_figures(run: tuple[Result, Path]) -> None:
    html = (run[1] / "a.html").read_text("utf-8")
    assert len(re.findall("<title>Reliability of ", html)) == 2
    assert len(re.findall("<title>Risk over coverage</title>", html)) == 1
    page = Page(html)
    assert "GeoMean in hindsight" in page.text
    assert "0.500" in page.text


def test_a_file_that_could_not_be_written_is_refused_before_anything_is_measured(few_samples: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(bench, ["accuracy", str(few_samples), "--html", str(tmp_path / "none" / "a.html")])
    assert isinstance(result.exception, UsageError)
    assert "There is no folder" in result.exception.message


def test_masks_without_an_ablation_is_refused(few_samples: Path) -> None:
    result = CliRunner().invoke(bench, ["accuracy", str(few_samples), "--masks"])
    assert isinstance(result.exception, UsageError)
    assert "--ablate" in result.exception.hint


def test_two_sets_of_one_folder_name_are_told_apart_by_species() -> None:
    from reid_edge_benchmarks.accuracy.command import distinct

    zebra = LabelledSet("photos", "all", (), (), "zebra")
    sets = (zebra, replace(zebra, species="tiger"), replace(zebra, name="nyala", species="nyala"))
    assert [labelled.name for labelled in distinct(sets)] == ["photos zebra", "photos tiger", "nyala"]
