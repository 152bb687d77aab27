"""The page without a browser: what is decided reaches the gallery, and what goes wrong is said."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from dataclasses import replace

from reid_edge.gallery import Gallery, NewReview, NewSighting
from reid_edge.review.naming import in_words, suggested_name
from reid_edge.review.pictures import STAND_IN_SECONDS


def reviews(page):
    return [(each.kind, each.identity, each.person) for each in page.services.gallery.reviews()]


def test_one_request_stores_a_decision_and_returns_the_next_question(page):
    first = page.get("/question")
    answer_id = page.services.queue.groups(_questions())[0].id
    following = page.decide(answer_id, "confirmed", identity="Chipo")
    assert reviews(page) == [("confirmed", "Chipo", "Ana")]
    assert "Confirmed as Chipo: 1 animal." in following
    assert answer_id in first
    assert f"/question/{answer_id}/decide" not in following
    assert "<html" not in following


def test_the_next_pictures_are_named_so_that_a_browser_fetches_them_ahead(page):
    ahead = json.loads(re.search(r"data-ahead='([^']*)'", page.get("/question")).group(1).replace("&#34;", '"'))
    assert ahead
    for address in ahead:
        answered = page.client.get(address)
        assert (answered.status_code, answered.headers["content-type"]) == (200, "image/jpeg")


def test_a_picture_whose_photo_comes_back_is_shown_again(open_page, bring_back):
    page = open_page()
    address = f"/pictures/whole/{page.services.source.answers()[0].id}.jpg"
    assert page.client.get(address).headers["content-type"] == "image/svg+xml"
    bring_back()
    assert page.client.get(address).headers["content-type"] == "image/svg+xml"  # for a minute
    page.services.pictures._clock = lambda: time.monotonic() + STAND_IN_SECONDS
    assert page.client.get(address).headers["content-type"] == "image/jpeg"


def test_a_browser_asks_again_for_pictures_by_row_id_since_another_gallery_has_other_animals_there(page):
    for kind in ("sighting", "thumbnail"):
        address = f"/pictures/{kind}/1.jpg"
        first = page.client.get(address)
        assert first.headers["cache-control"] == "private, no-cache"
        assert page.client.get(address, headers={"if-none-match": first.headers["etag"]}).status_code == 304


def test_a_browser_keeps_the_picture_of_an_answer_but_no_thumbnail_that_stands_in(open_page, bring_back):
    page = open_page()
    answer, gallery = page.services.source.answers()[0], page.services.gallery
    sighting = NewSighting(photo_sha256=answer.sha256, photo_name=answer.photo, identity="Zola", thumbnail=gallery.thumbnail(1))
    gallery.add_sighting(sighting, {}, "", gallery.new_batch())
    stand_in = page.client.get(answer.picture)
    assert (stand_in.headers["content-type"], stand_in.headers["cache-control"]) == ("image/jpeg", "private, no-cache")
    bring_back()
    page.services.pictures.forget()
    assert page.client.get(answer.picture).headers["cache-control"] == "private, max-age=3600"


def test_a_new_individual_of_a_burst_is_named_once(open_page, burst):
    page = open_page(answers=burst)
    group = max(_refreshed(page), key=lambda each: len(each.items))
    ids = [item.answer.id for item in group.items]
    page.decide(group.id, "new", new_name="Kito", member=ids, expected=[f"{each}:0" for each in ids])
    assert reviews(page) == [("new", "Kito", "Ana"), ("confirmed", "Kito", "Ana"), ("confirmed", "Kito", "Ana")]
    assert len({each.batch for each in page.services.gallery.reviews()}) == 1
    page.post("/undo")
    assert reviews(page) == []
    assert "Kito" not in page.services.gallery.names()


def test_a_decision_counts_for_the_ticked_photos_alone(open_page, burst):
    page = open_page(answers=burst)
    group = max(_refreshed(page), key=lambda each: len(each.items))
    ids = [item.answer.id for item in group.items]
    shown = page.decide(group.id, "skipped", member=ids[:2])
    assert [kind for kind, *_ in reviews(page)] == ["skipped", "skipped"]
    assert "<svg" in shown


def test_a_rejected_candidate_is_not_shown_again(page):
    answer_id = page.id_of("trail_3.jpg")
    first = re.search(r"Is this <bdi>(\w+)</bdi>", page.get(f"/question/{answer_id}")).group(1)
    shown = page.decide(answer_id, "rejected", identity=first)
    second = re.search(r"Is this <bdi>(\w+)</bdi>", shown).group(1)
    assert second != first
    assert reviews(page) == [("rejected", first, "Ana")]


def test_two_people_who_decide_about_one_animal_see_the_conflict_and_overwrite_nothing(open_page):
    ana, ben = open_page("Ana"), open_page("Ben")
    answer_id = ana.id_of("trail_3.jpg")
    ben.id_of("trail_3.jpg")
    ana.decide(answer_id, "confirmed", identity="Chipo", expected=f"{answer_id}:0")
    shown = ben.decide(answer_id, "not_an_animal", 409, expected=f"{answer_id}:0")
    assert "Ana confirmed that animal 1 of trail_3.jpg is Chipo" in shown
    assert reviews(ben) == [("confirmed", "Chipo", "Ana")]
    sequence = ben.services.gallery.reviews()[0].sequence
    ben.decide(answer_id, "not_an_animal", expected=f"{answer_id}:{sequence}")
    assert reviews(ana) == [("not_an_animal", None, "Ben")]


def test_without_a_name_nothing_is_decided_and_the_name_is_asked_once(open_page):
    page = open_page(person="")
    answer_id = page.id_of("trail_3.jpg")
    assert "Who decides?" in page.get("/")
    assert "Give your name" in page.decide(answer_id, "skipped", 422)
    page.post("/person", 303, person="Ana Ngugi", form_token=page.services.access.form_token)
    page.decide(answer_id, "skipped")
    assert reviews(page) == [("skipped", None, "Ana Ngugi")]
    assert "Who decides?" not in open_page(person="").get("/")


def test_undo_takes_back_the_persons_own_last_decision(open_page):
    ana, ben = open_page("Ana"), open_page("Ben")
    ana.decide(ana.id_of("trail_3.jpg"), "skipped")
    ben.decide(ben.id_of("trail_5.jpg"), "not_an_animal")
    shown = ana.post("/undo")
    assert reviews(ana) == [("not_an_animal", None, "Ben")]
    assert "Taken back" in shown
    assert "trail_3.jpg" in shown
    assert "nothing of yours to undo" in ana.post("/undo", 409)


def test_the_history_says_who_did_what_and_undoes_any_of_it(open_page):
    page, other = open_page("Ana"), open_page("Ben")
    page.post("/individual/rename", 303, name="Chipo", new="Zoe")
    other.post("/individual/merge", 303, name="Asha", into="Duma")
    text = page.get("/history")
    assert re.search(r"<bdi>Ana</bdi>.*rename Chipo to Zoe", text, re.DOTALL)
    assert re.search(r"<bdi>Ben</bdi>.*merge Asha into Duma", text, re.DOTALL)
    batch = next(each.batch for each in page.services.gallery.history() if each.kind == "rename")
    assert "Taken back" in page.post("/history/undo", batch=batch)
    assert {"Chipo", "Duma"} <= set(page.services.gallery.names())
    assert "Asha" not in page.services.gallery.names()


def test_an_individual_is_noted_split_moved_and_given_sides(page):
    gallery = page.services.gallery
    ids = [each.id for each in gallery.sightings(individual="Chipo")]
    page.post("/individual/notes", 303, name="Chipo", sex="female", life_stage="adult", notes="torn ear")
    page.post("/individual/viewpoint", 303, name="Chipo", viewpoint="Right", sighting=ids)
    page.post("/individual/split", 303, name="Chipo", new="Chipo II", sighting=ids[:1])
    page.post("/individual/move", 303, name="Chipo", into="Asha", sighting=ids[1:2])
    found = gallery.individual("Chipo")
    assert (found.sex, found.life_stage, found.notes, found.sightings, found.viewpoints) == (
        "female",
        "adult",
        "torn ear",
        1,
        ("right",),
    )
    assert [each.identity for each in gallery.sightings_of(ids)] == ["Chipo II", "Asha", "Chipo"]
    text = page.get("/individual?name=Chipo")
    assert "torn ear" in text
    assert "That was not done" in page.post("/individual/split", 409, name="Chipo", new="X", sighting=ids[2:])


def test_places_are_drawn_on_the_bundled_outline(open_page, own_gallery, tmp_path):
    with sqlite3.connect(own_gallery) as database:
        database.execute("UPDATE sighting SET latitude = -1.5 + id * 0.001, longitude = 35.1, place = 'Mara <gate>'")
    text = open_page().get("/individual?name=Chipo")
    assert text.count("<circle") == 3
    assert 'href="/static/land.svg#land"' in text
    assert "Mara &lt;gate&gt;" in text


def test_where_the_photos_are_gone_thumbnails_stand_in_and_the_page_says_so(open_page, own_gallery, answers, tmp_path):
    with sqlite3.connect(own_gallery) as database:
        database.execute("UPDATE sighting SET photo_path = '/gone/' || id || '.jpg'")
    decision = answers["trail_1.jpg"]
    path = tmp_path / "gone.jsonl"
    gone = replace(decision, photo=replace(decision.photo, path="/gone/trail_1.jpg"))
    path.write_text(json.dumps(gone.as_json()) + "\n", encoding="utf-8")
    page = open_page(answers=path)
    text = page.get("/question?show=all")
    assert "The photo is not where it was" in text
    assert "its thumbnail stands in" in text
    sighting = page.services.source.answers()[0].sighting
    assert page.client.get(f"/pictures/sighting/{sighting}.jpg").content[:2] == b"\xff\xd8"


def test_a_gallery_that_changes_underneath_is_followed_without_a_restart(page, own_gallery):
    page.get("/question")
    with Gallery.open(own_gallery) as other:
        other.rename("Chipo", "Zoe")
        other.review(NewReview(photo_sha256=page.id_of("trail_3.jpg")[:64], kind="skipped", person="Ben"))
    assert "1 skipped" in page.get("/question")
    assert "Zoe" in page.get("/individuals")


def test_a_locked_gallery_is_said_and_nothing_is_lost(page, own_gallery, monkeypatch):
    page.services.gallery.database.execute("PRAGMA busy_timeout = 50")
    answer_id = page.id_of("trail_3.jpg")
    lock = sqlite3.connect(own_gallery, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answered = page.client.post(
        f"/question/{answer_id}/decide",
        data={"kind": "skipped"},
        headers={"X-Form-Token": page.services.access.form_token, "HX-Request": "true"},
    )
    lock.execute("ROLLBACK")
    lock.close()
    assert (answered.status_code, answered.headers["hx-retarget"]) == (409, "#problem")
    assert "in use by another process" in answered.text
    page.decide(answer_id, "skipped")
    assert reviews(page) == [("skipped", None, "Ana")]


def test_a_full_disk_is_said_and_nothing_is_lost(small_disk, open_page, own_gallery, answers_file):

    from reid_edge.review.identification import PackChoice
    from reid_edge.review.services import Services, Sources
    from reid_edge.review.web.security import Access

    disk = small_disk("size=40m")
    gallery = shutil.copy(own_gallery, disk / "gallery.sqlite")
    services = Services(gallery, PackChoice("field", "cpu", 1), Sources(answers=answers_file), Access())
    page = type(open_page())(services, "Ana")
    answer_id = page.id_of("trail_3.jpg")
    with (disk / "filler").open("wb") as filler:
        try:
            while True:
                filler.write(bytes(65536))
                filler.flush()
        except OSError:
            pass
    text = page.decide(answer_id, "skipped", 507)
    assert "disk is full" in text
    (disk / "filler").unlink()
    page.decide(answer_id, "skipped")
    assert len(reviews(page)) == 1
    services.close()


def test_the_next_name_continues_how_the_catalogue_counts():
    assert suggested_name(["zebra_z09", "zebra_z12", "Zoe"]) == "zebra_z13"
    assert suggested_name(["Asha", "Chipo"]) == "New-1"
    assert suggested_name(["Asha", "Chipo", "New-1", "new-2"]) == "New-3"
    assert suggested_name([]) == "New-1"


def test_probabilities_are_said_in_words():
    assert in_words("Chipo", 0.94) == "very likely Chipo (94 %)"
    assert in_words("Chipo", 0.004) == "very unlikely to be Chipo (< 1 %)"


def _questions():
    from reid_edge.review.queue import Filter

    return Filter()


def _refreshed(page):
    page.services.queue.refresh()
    return page.services.queue.groups(_questions())
