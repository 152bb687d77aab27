"""The groups of a discovery on the page: pairs are answered, groups named and divided, and all of it is durable and can be undone."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from reid_edge.discover.constraints import stored_answers
from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.review.groups.cards import Card, GroupsState
from reid_edge.review.identification import PackChoice
from reid_edge.review.services import Services, Sources
from reid_edge.review.web.security import Access

HTMX = {"HX-Request": "true"}


def state_of(page) -> GroupsState:
    return page.services.groups.state


def card(page, number: int = 0) -> Card:
    return list(state_of(page).cards.values())[number]


def whom(members) -> set[str]:
    return {seen.sighting.photo_name.partition("_")[0] for seen in members}


def shown(page) -> str:
    return page.client.get("/groups", headers=HTMX).text


def test_groups_are_shown_with_the_pair_that_settles_most_and_without_a_queue_the_page_begins_there(open_groups) -> None:
    page = open_groups()
    assert page.client.get("/", follow_redirects=False).headers["location"] == "/groups"
    assert 'hx-get="/groups?page=0"' in page.get("/groups")
    text = shown(page)
    assert text.count("3 photos of one animal") == 8
    assert "Are these one animal?" in text
    assert 'class="matches"' in text
    for address in {*re.findall(r'(?:src|href)="(/pictures/found[^"]+)"', text)}:
        assert page.client.get(html.unescape(address)).headers["content-type"] == "image/jpeg"


def test_naming_a_group_enrols_its_photos_as_one_decision_that_undo_takes_back(open_groups) -> None:
    page = open_groups()
    first = card(page)
    assert "Enrolled 3 photos as Kito." in page.post(f"/groups/{first.token}/name", name="Kito")
    gallery = page.services.gallery
    assert [each.photo_name for each in gallery.sightings(individual="Kito")] == [
        each.sighting.photo_name for each in sorted(first.members, key=lambda each: each.key)
    ]
    assert [each.kind for each in gallery.reviews()] == ["new", "confirmed", "confirmed"]
    assert not gallery.sightings_without(page.services.groups._discovery.identifier.feature_key)
    assert (state_of(page).named, len(state_of(page).cards)) == (3, 7)
    assert "Taken back" in page.post("/groups/undo")
    assert (gallery.sightings(), state_of(page).named, len(state_of(page).cards)) == ([], 0, 8)


def test_a_group_joins_an_individual_of_the_catalogue_by_her_name(open_groups) -> None:
    page = open_groups()
    page.post(f"/groups/{card(page).token}/name", name="Kito")
    page.post(f"/groups/{card(page).token}/name", name="kito")
    assert page.services.gallery.names() == ["Kito"]
    assert len(page.services.gallery.sightings()) == 6


def test_answers_about_pairs_regroup_the_animals_survive_a_restart_and_reach_the_next_discovery(
    open_groups, discovered, work: Path
) -> None:
    page = open_groups()
    pair = state_of(page).report.questions[0].pair
    fields = {"first": pair.first.key, "second": pair.second.key}
    asked = [question.pair for question in state_of(page).report.questions]
    assert "One animal: the animals are grouped by it." in page.post("/groups/pair/same", **fields)
    together = next(each for each in state_of(page).cards.values() if pair.first.key in {seen.key for seen in each.members})
    assert pair.second.key in {seen.key for seen in together.members}
    assert pair not in [question.pair for question in state_of(page).report.questions]
    other = asked[1]
    page.post("/groups/pair/unsure", first=other.first.key, second=other.second.key)
    assert other not in [question.pair for question in state_of(page).report.questions]
    again = open_groups()
    assert [each.members for each in state_of(again).cards.values()] == [each.members for each in state_of(page).cards.values()]
    with Gallery.open(work) as stored:
        answers = stored_answers(stored)
    assert [each.same for each in answers] == [True, None]
    groups = discovered.report(answers).groups
    assert [each.members for each in groups] == [each.members for each in state_of(page).report.groups]
    assert "What was said of pairs" in shown(again)
    again.post("/groups/take-back", batch=page.services.groups.answers()[0].batch)
    again.post("/groups/undo")
    assert len(state_of(page).report.groups) == 8


def test_photos_are_taken_out_of_a_group(open_groups) -> None:
    page = open_groups()
    first = card(page)
    out = first.members[0]
    text = page.get(f"/groups/{first.token}")
    assert text.count('name="animal"') == 3
    assert "1 taken out of the group" in page.post(f"/groups/{first.token}/split", animal=out.key)
    left = next(each for each in state_of(page).cards.values() if first.members[1] in each.members)
    assert out not in left.members
    page.post(f"/groups/{left.token}/not-an-animal", animal=first.members[1].key)
    assert all(first.members[1].key != seen.key for each in state_of(page).cards.values() for seen in each.members)
    page.post(f"/groups/{card(page).token}/split", 422, animal=[seen.key for seen in card(page).members])
    page.post(f"/groups/{card(page).token}/split", 422)


def test_two_people_at_once_see_the_conflict_and_nothing_is_overwritten(open_groups) -> None:
    ana, ben = open_groups("Ana"), open_groups("Ben")
    first, pair = card(ana), state_of(ana).report.questions[0].pair
    assert card(ben).token == first.token
    ana.post(f"/groups/{first.token}/name", name="Kito")
    assert "somebody changed this group" in ben.post(f"/groups/{first.token}/name", 409, name="Baraka")
    assert ben.services.gallery.names() == ["Kito"]
    fields = {"first": pair.first.key, "second": pair.second.key}
    ana.post("/groups/pair/different", **fields)
    assert "Meanwhile Ana said different" in ben.post("/groups/pair/same", 409, **fields)
    assert [each.answer for each in ben.services.groups.answers()] == ["different"]


def test_a_photo_that_was_joined_with_a_known_individual_is_rejected(open_groups) -> None:
    page = open_groups()
    first, second = card(page, 0), card(page, 1)
    page.post(f"/groups/{first.token}/name", name="Kito")
    page.post("/groups/pair/same", first=first.members[0].key, second=second.members[0].key)
    more = next(each for each in state_of(page).cards.values() if each.is_known)
    assert (more.name, whom(more.members)) == ("Kito", whom(second.members))
    page.post(f"/groups/{more.token}/split", animal=[seen.key for seen in more.members])
    assert not any(each.is_known for each in state_of(page).cards.values())


def test_what_cannot_be_shown_is_refused_with_the_way_out(open_groups, work: Path, own_gallery: Path) -> None:
    page = open_groups()
    page.post("/groups/pair/perhaps", 422, first="a", second="b")
    page.post("/groups/pair/same", 422, first="a", second="b")
    page.post("/groups/0/name", 409, name="Kito")
    page.post(f"/groups/{card(page).token}/name", 422, name=" ")
    pack = PackChoice("field", "cpu", 1)
    with pytest.raises(UsageError, match="not the working file"):
        Services(own_gallery, pack, Sources(discovery=own_gallery), Access())
    next(work.with_name("work.sqlite.cache").glob("pairs-*")).unlink()
    with pytest.raises(UsageError, match="stopped before all"):
        Services(own_gallery, pack, Sources(discovery=work), Access())
