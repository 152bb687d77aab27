"""Two servers on one catalogue, in a file or on a PostgreSQL server: what somebody changed meanwhile is shown, never overwritten."""

from __future__ import annotations

import re
import shutil

import pytest

from reid_edge.gallery import Gallery
from reid_edge.gallery.sync import synchronise


@pytest.fixture(params=["sqlite", "postgres"])
def catalogue(request, own_gallery, tmp_path):
    """A copy of the sample gallery, in a file and on a server."""
    if request.param == "sqlite":
        return own_gallery
    place = request.getfixturevalue("new_schema")()
    station = shutil.copy(own_gallery, tmp_path / "station.sqlite")
    with Gallery.create(place) as hub, Gallery.open(station) as opened:
        opened.drop_features([])  # nothing is compared here
        synchronise(opened, hub)
    return place


@pytest.fixture
def server(catalogue, open_page):
    """server(person): a page of a server of its own."""
    return lambda person: open_page(person, gallery=catalogue)


def seen(text):
    return re.search(r'name="seen" value="([^"]+)"', text).group(1)


def reviews(page):
    return [(each.kind, each.identity, each.person) for each in page.services.gallery.reviews()]


def test_a_decision_about_an_animal_that_somebody_decided_meanwhile_is_shown_the_decision(server):
    ana, ben = server("Ana"), server("Ben")
    answer = ana.id_of("trail_3.jpg")
    state = seen(ben.get(f"/question/{answer}"))
    ana.decide(answer, "confirmed", identity="Chipo", expected=f"{answer}:0")
    shown = ben.decide(answer, "not_an_animal", 409, expected=f"{answer}:0", seen=state)
    assert "Ana confirmed that animal 1 of trail_3.jpg is Chipo" in shown
    assert reviews(ben) == [("confirmed", "Chipo", "Ana")]
    ben.decide(answer, "not_an_animal", expected=re.findall(r'name="expected" value="([^"]+)"', shown), seen=seen(shown))
    assert reviews(ana) == [("not_an_animal", None, "Ben")]


def test_a_name_that_means_another_animal_by_now_is_not_taken(server):
    ana, ben = server("Ana"), server("Ben")
    answer = ben.id_of("trail_3.jpg")
    state = seen(ben.get(f"/question/{answer}"))
    ana.post("/individual/rename", 303, name="Chipo", new="Zoe")
    ana.post("/individual/rename", 303, name="Asha", new="Chipo")
    shown = ben.decide(answer, "confirmed", 409, identity="Chipo", expected=f"{answer}:0", seen=state)
    assert "Meanwhile Ana decided: rename Asha to Chipo" in shown
    assert reviews(ben) == []
    ben.decide(answer, "confirmed", identity="Chipo", expected=f"{answer}:0", seen=seen(shown))
    assert reviews(ana) == [("confirmed", "Chipo", "Ben")]


def test_a_change_of_an_individual_that_somebody_changed_meanwhile_is_shown_the_new_state(server):
    ana, ben = server("Ana"), server("Ben")
    first = ben.services.gallery.sightings(individual="Chipo")[0].id
    changes = {
        "rename": {"new": "Zita"},
        "notes": {"notes": "torn ear"},
        "merge": {"into": "Asha"},
        "different": {"into": "Asha"},
        "split": {"new": "Zita", "sighting": [first]},
        "move": {"into": "Asha", "sighting": [first]},
    }
    before = ana.services.gallery.content_hash()
    for change, fields in changes.items():
        state = seen(ben.get("/individual?name=Chipo"))
        ana.post("/individual/rename", 303, name="Chipo", new="Zora")
        shown = ben.post(f"/individual/{change}", 409, name="Chipo", seen=state, **fields)
        assert "Meanwhile Ana decided: rename Chipo to Zora" in shown
        assert "<h1><bdi>Zora</bdi></h1>" in shown
        ana.post("/individual/rename", 303, name="Zora", new="Chipo")
        assert ben.services.gallery.content_hash() == before
    ben.post("/individual/notes", 303, name="Chipo", seen=seen(ben.get("/individual?name=Chipo")), **changes["notes"])


def test_photos_that_were_moved_meanwhile_are_not_moved_again(server):
    ana, ben = server("Ana"), server("Ben")
    first = ben.services.gallery.sightings(individual="Chipo")[0].id
    state = seen(ben.get("/individual?name=Chipo"))
    ana.post("/individual/move", 303, name="Chipo", into="Asha", sighting=[first])
    assert "reassign sightings" in ben.post(
        "/individual/viewpoint", 409, name="Chipo", viewpoint="left", sighting=[first], seen=state
    )
    assert "reassign sightings" in ben.post("/individual/merge", 409, name="Chipo", into="Enzi", seen=state)
    ben.post("/individual/notes", 303, name="Chipo", notes="torn ear", seen=state)


def test_what_a_person_wrote_is_not_lost_with_the_conflict(server):
    ana, ben = server("Ana"), server("Ben")
    state = seen(ben.get("/individual?name=Chipo"))
    ana.post("/individual/notes", 303, name="Chipo", notes="calf in March")
    shown = ben.post("/individual/notes", 409, name="Chipo", notes="torn ear", seen=state)
    assert "You wrote: <bdi>torn ear</bdi>" in shown
    assert ">calf in March</textarea>" in shown


def test_an_individual_that_is_gone_is_said(server):
    ana, ben = server("Ana"), server("Ben")
    state = seen(ben.get("/individual?name=Chipo"))
    ana.services.gallery.remove_individual("Chipo")
    assert "Meanwhile somebody decided: remove Chipo" in ben.post("/individual/rename", 409, name="Chipo", new="Zita", seen=state)


def test_a_form_that_does_not_say_what_it_was_made_from_changes_nothing(page):
    assert "Open the page again" in page.post("/individual/rename", 422, name="Chipo", new="Zoe", seen="")
