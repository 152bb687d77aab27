"""One animal on the page: points where they belong, every match a line, every score before and after calibration."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_edge.decide.decision import MatchedPoints, PairEvidence
from reid_edge.identify.new_sighting import thumbnail
from reid_edge.report import Report
from reid_edge.report.pair import Confidences, draw_pair
from reid_edge.report.pictures import Picture

COLOURS = [(250, 30, 30), (30, 250, 30), (250, 250, 30), (250, 30, 250)]


@pytest.fixture
def section(gallery, tmp_path, read_page):
    """Writes a report of one photo and reads the page back."""

    def written(photo, *decisions):
        report = Report(gallery)
        report.add(photo, decisions)
        report.write(tmp_path / "report.html")
        return read_page(tmp_path / "report.html")

    return written


def placed(drawing, picture_id):
    """Left edge, scale and origin of a picture in a drawing."""
    (group,) = (use.parent for use in drawing.all("use", href=f"#{picture_id}"))
    number = r"(-?[\d.e+]+)"
    pattern = rf"translate\({number} 0\) scale\({number}\) translate\({number} {number}\)"
    left, scale, x, y = map(float, re.fullmatch(pattern, group.attributes["transform"]).groups())
    return left, scale, x, y


def colour_at(page, image_of, drawing, picture_id, x, y):
    """The colour that the drawing shows at a place, out of the embedded JPEG."""
    left, scale, dx, dy = placed(drawing, picture_id)
    image = page.one("image", id=picture_id)
    pixels = image_of(page, picture_id)
    u = ((x - left) / scale - dx - image.number("x")) / image.number("width") * pixels.shape[1]
    v = (y / scale - dy - image.number("y")) / image.number("height") * pixels.shape[0]
    return pixels[int(v), int(u)]


def test_lines_end_on_the_spots_that_were_matched(section, drawn, enrol, image_of):
    photo, known = drawn.photo(), drawn.photo(width=1000, height=500)
    spots = [(410, 310), (1190, 320), (600, 800), (1150, 890)]
    known_spots = [(110, 60), (880, 70), (300, 400), (850, 440)]
    for colour, (x, y), (u, v) in zip(COLOURS, spots, known_spots, strict=True):
        photo.rgb[y - 6 : y + 7, x - 6 : x + 7] = colour
        known.rgb[v - 6 : v + 7, u - 6 : u + 7] = colour
    # Confidences fall from the first spot to the last, and the surest is drawn last.
    matched = MatchedPoints("lighterglue", spots, known_spots, [0.9, 0.7, 0.5, 0.3])
    sighting = enrol("Asha", known)
    page = section(photo, drawn.decision(photo, drawn.candidate(sighting, "Asha", matched)))
    drawing = page.one("svg", class_="pair")
    lines = drawing.all("line")[::-1]
    assert len(lines) == 4
    for colour, line in zip(COLOURS, lines, strict=True):
        seen = colour_at(page, image_of, drawing, "query-1", line.number("x1"), line.number("y1"))
        assert np.abs(seen.astype(int) - colour).max() < 60
        seen = colour_at(page, image_of, drawing, f"sighting-{sighting}", line.number("x2"), line.number("y2"))
        assert np.abs(seen.astype(int) - colour).max() < 60


def test_the_outline_lies_on_the_pixels_it_was_made_of(section, drawn):
    photo = drawn.photo()
    decision = drawn.decision(photo, verdict="new")
    page = section(photo, decision)
    (polygon,) = decision.animal.outline
    path = page.one("path", id="outline-1").attributes["d"]
    assert path == "M" + " ".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in polygon) + "z"
    drawing = page.one("svg", class_="pair")
    left, scale, x, y = placed(drawing, "query-1")
    outlines = drawing.all("use", href="#outline-1", class_="outline")
    assert {use.parent.attributes["transform"] for use in outlines} == {
        f"translate({left:.2f} 0) scale({scale:g}) translate({x:g} {y:g})"
    }


side = st.integers(1, 5000)


@given(query=st.tuples(side, side, side, side), known=st.tuples(side, side, side, side))
def test_corners_of_the_boxes_are_corners_of_the_pictures_for_every_shape(query, known):
    frames = [(x, y, x + width, y + height) for x, y, width, height in (query, known)]
    pictures = [Picture(name, frame, b"jpeg") for name, frame in zip(("query", "known"), frames, strict=True)]
    corners = [[(x0 - 0.5, y0 - 0.5), (x1 - 0.5, y1 - 0.5)] for x0, y0, x1, y1 in frames]
    matched = MatchedPoints("m", *corners, [0.5, 0.6])
    drawing = draw_pair(pictures[0], "outline", pictures[1], [matched], {"m": Confidences(0.5, 0.6)}, "m")
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing).groups())
    assert 0 < width <= 1200.01
    ends = [tuple(map(float, line)) for line in re.findall(r'x1="(.*?)" y1="(.*?)" x2="(.*?)" y2="(.*?)"', drawing)]
    (x1, y1, x2, y2), (x3, y3, x4, y4) = ends
    assert (x1, y1, y2) == (0, 0, 0)
    assert (y3, y4, x4) == pytest.approx((height, height, width), abs=0.1)
    assert x2 - x3 == pytest.approx(14, abs=0.15)


def test_every_match_of_every_candidate_and_matcher_is_one_line_with_its_two_points(section, drawn, enrol):
    photo = drawn.photo()
    ranking = [
        drawn.candidate(enrol(name), name, drawn.points(many, "xfeat"), drawn.points(few, "lighterglue"))
        for name, many, few in (("Asha", 40, 25), ("Chipo", 12, 0), ("Duma", 7, 3))
    ]
    page = section(photo, drawn.decision(photo, *ranking))
    drawings = page.all("svg", class_="pair")
    counts = [[len(group.all("line")) for group in drawing.all("g", class_="matches")] for drawing in drawings]
    assert counts == [[40, 25], [12, 0], [7, 3]]
    assert sum(len(drawing.all("path")) for drawing in drawings) == 87
    scores = [match.number("data-score") for match in drawings[0].all("g", class_="matches")[0].children]
    assert scores == sorted(scores)
    assert scores == pytest.approx(sorted(ranking[0].matches[0].scores), abs=0.001)


def test_surer_matches_have_higher_colours_by_the_same_scale_in_every_drawing(section, drawn, enrol):
    photo = drawn.photo()
    sure = drawn.candidate(enrol("Asha"), "Asha", MatchedPoints("m", [(500, 500)] * 2, [(500, 200)] * 2, [0.5, 0.9]))
    unsure = drawn.candidate(enrol("Chipo"), "Chipo", MatchedPoints("m", [(500, 500)] * 2, [(500, 200)] * 2, [0.1, 0.5]))
    drawings = section(photo, drawn.decision(photo, sure, unsure)).all("svg", class_="pair")
    colours = [[match.attributes["class"] for match in drawing.one("g", class_="matches").children] for drawing in drawings]
    assert colours == [["c4", "c7"], ["c0", "c4"]]


def test_without_scripts_the_best_candidate_is_seen_with_the_lines_of_the_last_matcher(section, drawn, enrol):
    photo = drawn.photo()
    ranking = [
        drawn.candidate(enrol(name), name, drawn.points(9, "xfeat"), drawn.points(4, "lighterglue")) for name in ("Asha", "Chipo")
    ]
    article = section(photo, drawn.decision(photo, *ranking)).one("article")
    best, other = article.all("figure")
    assert "hidden" not in best.attributes
    assert "hidden" in other.attributes
    xfeat, lighterglue = best.all("g", class_="matches")
    assert "no-lines" in xfeat.attributes["class"]
    assert lighterglue.attributes["class"] == "matches"
    assert ["hidden" in table.attributes for table in article.all("section", class_="scores")] == [False, True]


def test_each_matcher_has_its_switches_and_a_slider_over_its_confidences(section, drawn, enrol):
    photo = drawn.photo()
    known = drawn.candidate(
        enrol("Asha"), "Asha", drawn.points(9, "xfeat"), drawn.points(4, "lighterglue"), drawn.points(0, "silent")
    )
    controls = section(photo, drawn.decision(photo, known)).one("div", class_="controls")
    assert [control.one("legend").text for control in controls.all("fieldset")] == ["xfeat", "lighterglue"]
    for control, matched in zip(controls.all("fieldset"), known.matches, strict=False):
        assert [box.attributes["data-draws"] for box in control.all("input", type="checkbox")] == ["lines", "points"]
        slider = control.one("input", type="range")
        assert slider.number("min") <= min(matched.scores) < slider.number("min") + 0.01
        assert slider.number("max") <= max(matched.scores) < slider.number("max") + 0.01
        assert all(label.children[0].tag == "input" for label in control.all("label"))
    assert controls.one("input", data_draws="outline")


def test_scores_are_shown_before_and_after_calibration_and_the_absent_as_not_run(section, drawn, enrol):
    photo = drawn.photo()
    scores = (
        PairEvidence("embedding", 0.8125, 0.712),
        PairEvidence("xfeat", 57.0, 0.998),
        PairEvidence("lighterglue", None, None),
    )
    matches = (drawn.points(57, "xfeat"), drawn.points(0, "lighterglue"))
    article = section(photo, drawn.decision(photo, drawn.candidate(enrol("Asha"), "Asha", *matches, scores=scores))).one(
        "article"
    )
    table = article.one("section", class_="scores").one("table")
    rows = [[cell.text.replace("\xa0", " ") for cell in row.all("td")] for row in table.one("tbody").all("tr")]
    assert rows == [["embedding", "0.812", "71 %"], ["xfeat", "57 matches", "> 99 %"], ["lighterglue", "not run", "–"]]
    assert table.one("tfoot").one("td").text == "0.750"
    assert "more promising candidates only: lighterglue" in article.one("figcaption").text


def test_the_ranking_offers_every_candidate_and_has_chosen_the_best(section, drawn, enrol):
    photo = drawn.photo()
    ranking = [
        drawn.candidate(enrol(name), name, drawn.points(3), probability=share, photo=f"{name}_1.jpg")
        for name, share in (("Asha", 0.93), ("Chipo", 0.04), ("Duma", 0.002))
    ]
    article = section(photo, drawn.decision(photo, *ranking)).one("article")
    rows = article.one("section", class_="ranking").one("tbody").all("tr")
    texts = [[cell.text.replace("\xa0", " ") for cell in row.all("td")] for row in rows]
    assert [(who, share, best) for who, share, _, best in texts] == [
        ("Asha", "93 %", "Asha_1.jpg"),
        ("Chipo", "4 %", "Chipo_1.jpg"),
        ("Duma", "< 1 %", "Duma_1.jpg"),
    ]
    choices = [row.one("input", type="radio") for row in rows]
    assert [choice.attributes["value"] for choice in choices] == ["0", "1", "2"]
    assert ["checked" in choice.attributes for choice in choices] == [True, False, False]
    assert len({choice.attributes["name"] for choice in choices}) == 1
    assert [figure.attributes["data-candidate"] for figure in article.all("figure")] == ["0", "1", "2"]


def test_an_empty_gallery_shows_the_animal_alone(section, drawn):
    photo = drawn.photo()
    article = section(photo, drawn.decision(photo, verdict="ask")).one("article")
    assert article.one("h2").text.startswith("nobody to compare with")
    assert "There is no candidate beside it." in article.one("figure").text
    assert not article.all("table")


def test_a_sighting_without_a_thumbnail_is_an_empty_frame_with_its_points(section, drawn, enrol):
    photo = drawn.photo()
    sighting = enrol("Asha", thumbnail=None)
    page = section(photo, drawn.decision(photo, drawn.candidate(sighting, "Asha", drawn.points(6))))
    assert page.one("rect", id=f"sighting-{sighting}").number("width") == 800
    assert len(page.one("svg", class_="pair").all("line")) == 6
    assert "holds no picture" in page.one("figcaption").text


@pytest.mark.parametrize("pictured", [True, False])
def test_no_line_is_drawn_where_the_box_of_the_sighting_is_not_known(section, drawn, enrol, pictured):
    photo = drawn.photo()
    sighting = enrol("Asha", box=None, thumbnail=thumbnail(drawn.photo().rgb) if pictured else None)
    page = section(photo, drawn.decision(photo, drawn.candidate(sighting, "Asha", drawn.points(6))))
    assert not page.one("svg", class_="pair").all("line")
    assert "matched points cannot be drawn" in page.one("figcaption").text


def test_pictures_are_scaled_down_and_keep_their_shape(section, drawn, image_of):
    photo = drawn.photo(width=4000, height=3000)
    page = section(photo, drawn.decision(photo, verdict="new"))
    assert image_of(page, "query-1").shape == (675, 900, 3)
    assert image_of(page, "photo-1").shape == (360, 480, 3)
