"""What people decide in the gallery reaches every output: after any decisions, each of them agrees with the gallery."""

from __future__ import annotations

import csv
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reid_edge.decide.decision import RankedIdentity
from reid_edge.errors import GalleryError
from reid_edge.gallery import Gallery, NewReview, NewSighting
from reid_edge.gallery.review_records import final_reviews
from reid_edge.watch import outputs
from reid_edge.watch.answer.following import GalleryFollower
from reid_edge.watch.configuration import Configuration
from reid_edge.watch.ledger.ledger import Ledger
from reid_edge.watch.listing import listed_events
from reid_edge.watch.outputs.csv_file import _FORMER_COLUMNS, CsvFile
from reid_edge.watch.outputs.sinks import deliver_waiting

NAMES = ("Asha", "Bela", "Cleo")
BOXES = ((10, 20, 110, 220), (300, 20, 400, 220))


@dataclass
class Opened:
    """The gallery as the daemon has it open."""

    gallery: Gallery

    def refresh(self) -> bool:
        return False


@pytest.fixture
def catalogue(memory_folder):
    with Gallery.create(memory_folder / "gallery.sqlite") as gallery:
        for number, name in enumerate(NAMES):
            seen = NewSighting(photo_sha256=f"{number:064x}", identity=name, photo_name=f"{name}.jpg")
            gallery.add_sighting(seen, {}, "", gallery.new_batch())
        yield gallery


@pytest.fixture
def follower(ledger, catalogue):
    return GalleryFollower(ledger, Opened(catalogue))


def answer_photos(ledger, commit, answer_for, folder):
    """Four photos: two of one event, one with two animals, one without; their names stand for sightings of the catalogue."""

    def ranked(name, probability):
        return RankedIdentity(name, probability, probability, probability, 1 + NAMES.index(name), f"{name}.jpg", ())

    def answer(index, name, probability):
        found = answer_for(index, name, probability, BOXES[index])
        return replace(found, ranking=(ranked(name, probability), ranked("Bela" if name != "Bela" else "Cleo", 0.02)))

    times = {"taken_at": "2024-05-06T07:00:00"}, {"taken_at": "2024-05-06T07:00:05"}
    return [
        commit(ledger, folder / "a.jpg", [answer(0, "Asha", 0.97)], **times[0]),
        commit(ledger, folder / "b.jpg", [answer(0, "Asha", 0.6)], close=True, **times[1]),
        commit(ledger, folder / "c.jpg", [answer(0, "Cleo", 0.97), answer(1, "Bela", 0.7)], camera="gate", close=True),
        commit(ledger, folder / "d.jpg", [], camera="gate", close=True),
    ]


@pytest.fixture
def answered(ledger, commit, answer_for, memory_folder):
    return answer_photos(ledger, commit, answer_for, memory_folder)


def open_all_sinks(ledger, folder):
    options = {"csv": True, "json_lines": True, "camtrap_dp": True, "sidecar_dir": folder / "xmp"}
    return outputs.open_sinks(Configuration(folders=(), out=folder, **options), folder, ledger, whole=True)


def say(gallery, photo, kind, identity=None, animal=0, person="Ana", box=None):
    new = NewReview(
        photo_sha256=photo.sha256,
        kind=kind,
        person=person,
        identity=identity,
        animal_index=animal,
        photo_name=photo.name,
        box=box,
    )
    return gallery.review(new)


def follow(follower):
    while follower.step():
        pass


@pytest.fixture
def sinks(ledger, memory_folder):
    opened = open_all_sinks(ledger, memory_folder)
    yield opened
    for sink in opened:
        sink.close()


def deliver(ledger, sinks):
    for sink in sinks:
        while deliver_waiting(ledger, sink):
            pass


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def newest_lines(path, kind):
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    newest = {}
    for line in lines:
        if line["kind"] == kind:
            newest[line["photo"]["sha256"] if kind == "photo" else line["event"]] = line
    assert len({line["key"] for line in lines}) == len(lines)
    return newest


def test_a_confirmation_reaches_every_output_once(ledger, catalogue, follower, answered, sinks, memory_folder):
    deliver(ledger, sinks)
    say(catalogue, answered[1], "confirmed", "Bela")
    follow(follower)
    deliver(ledger, sinks)
    written = (memory_folder / "answers.jsonl").read_text("utf-8")
    follow(follower)
    deliver(ledger, sinks)
    assert (memory_folder / "answers.jsonl").read_text("utf-8") == written
    line = newest_lines(memory_folder / "answers.jsonl", "photo")[answered[1].sha256]
    assert (line["revision"], line["verdict"], line["animals"][0]["identity"]) == (1, "known", "Bela")
    assert line["animals"][0]["review"]["person"] == "Ana"
    (row,) = [row for row in rows(memory_folder / "answers.csv") if row["sha256"] == answered[1].sha256]
    assert (row["verdict"], row["identity"], row["probability"], row["review"], row["reviewed_by"]) == (
        *("known", "Bela", "1", "confirmed"),
        "Ana",
    )
    assert (row["answer_verdict"], row["answer_identity"], row["answer_probability"]) == ("ask", "Asha", "0.6")
    (observation,) = [
        row
        for row in rows(memory_folder / "camtrap-dp/observations.csv")
        if row["mediaID"] == answered[1].sha256 and row["observationLevel"] == "media"
    ]
    assert observation["classificationMethod"] == "human"
    assert (observation["classifiedBy"], observation["individualID"], observation["classificationProbability"]) == (
        "Ana",
        "Bela",
        "",
    )
    (sidecar,) = (memory_folder / "xmp").rglob("b.jpg.xmp")
    assert "Bela" in sidecar.read_text("utf-8")
    assert "reviewedBy" in sidecar.read_text("utf-8")
    event = newest_lines(memory_folder / "answers.jsonl", "event")[1]
    assert [(animal["identity"], len(animal["photos"])) for animal in event["animals"]] == [("Bela", 2)]


def test_a_rename_reaches_answers_that_nobody_reviewed_and_undo_restores_every_file(
    ledger, catalogue, follower, answered, sinks, memory_folder
):
    deliver(ledger, sinks)
    before = rows(memory_folder / "answers.csv")
    catalogue.rename("Asha", "Zoe")
    follow(follower)
    deliver(ledger, sinks)
    assert [row["identity"] for row in rows(memory_folder / "answers.csv")] == ["Zoe", "Zoe", "Cleo", "Bela", ""]
    assert {row["review"] for row in rows(memory_folder / "answers.csv")} == {""}
    catalogue.undo()
    follow(follower)
    deliver(ledger, sinks)
    assert rows(memory_folder / "answers.csv") == before
    assert newest_lines(memory_folder / "answers.jsonl", "photo")[answered[0].sha256]["animals"][0]["identity"] == "Asha"


def test_a_table_of_an_earlier_version_is_written_again_with_the_new_columns(ledger, answered, memory_folder, sinks):
    deliver(ledger, sinks)
    path = memory_folder / "answers.csv"
    whole = path.read_text("utf-8")
    earlier = [",".join(line.split(",")[: len(_FORMER_COLUMNS)]) for line in whole.splitlines()]
    path.write_text("\n".join(earlier) + "\n", encoding="utf-8")
    CsvFile(path, ledger).close()
    assert path.read_text("utf-8") == whole
    assert list(memory_folder.glob("answers-kept*")) == []


def test_a_table_is_not_written_again_for_each_of_many_decisions(ledger, catalogue, follower, answered, memory_folder):
    sink = CsvFile(memory_folder / "answers.csv", ledger)
    while deliver_waiting(ledger, sink):
        pass
    for photo in answered[:2]:
        say(catalogue, photo, "confirmed", "Cleo")
        follow(follower)
        deliver_waiting(ledger, sink)
    waiting = ledger.last_message() - ledger.delivered("csv")
    assert waiting > 0
    sink.close()
    later = CsvFile(memory_folder / "answers.csv", ledger)
    while deliver_waiting(ledger, later):
        pass
    later.close()
    assert [row["identity"] for row in rows(memory_folder / "answers.csv")][:2] == ["Cleo", "Cleo"]


def test_a_rejection_holds_for_the_same_animal_in_the_whole_event(ledger, catalogue, follower, answered):
    say(catalogue, answered[1], "rejected", "Asha")
    follow(follower)
    for photo in answered[:2]:
        (animal,) = ledger.photo(photo.sha256).animals
        assert (animal["verdict"], animal["identity"]) == ("ask", "Bela")
        assert [ranked["identity"] for ranked in animal["ranking"]] == ["Bela"]


def test_a_photo_that_joins_an_event_gets_its_rejections_at_once(ledger, catalogue, follower, commit, answer_for, memory_folder):
    first = commit(ledger, memory_folder / "a.jpg", [answer_for(0, "Asha", 0.97, BOXES[0])], taken_at="2024-05-06T07:00:00")
    say(catalogue, first, "rejected", "Asha")
    answer = answer_for(0, "Asha", 0.97, BOXES[0])
    second = commit(ledger, memory_folder / "b.jpg", [answer], taken_at="2024-05-06T07:00:05", follower=follower)
    (animal,) = ledger.photo(second.sha256).animals
    assert animal["identity"] != "Asha"
    assert [message.key for message in ledger.messages_after(0) if message.key.startswith(f"photo:{second.sha256}")] == [
        f"photo:{second.sha256}"
    ]


def test_what_is_not_an_animal_is_a_blank_and_a_drawn_animal_a_row(ledger, catalogue, follower, answered, sinks, memory_folder):
    say(catalogue, answered[0], "not_an_animal")
    say(catalogue, answered[3], "confirmed", "Cleo", box=(5, 5, 50, 50))
    follow(follower)
    deliver(ledger, sinks)
    by_photo = {row["sha256"]: row for row in rows(memory_folder / "answers.csv")}
    assert by_photo[answered[0].sha256]["verdict"] == "not_an_animal"
    assert by_photo[answered[3].sha256]["identity"] == "Cleo"
    observations = [row for row in rows(memory_folder / "camtrap-dp/observations.csv") if row["observationLevel"] == "media"]
    kinds = {row["mediaID"]: (row["observationType"], row["individualID"]) for row in observations}
    assert kinds[answered[0].sha256] == ("blank", "")
    assert kinds[answered[3].sha256] == ("animal", "Cleo")
    catalogue.undo(2)
    follow(follower)
    assert ledger.photo(answered[3].sha256).animals == ()
    assert ledger.photo(answered[0].sha256).animals[0]["identity"] == "Asha"


def test_people_who_see_two_animals_where_one_was_seen_split_the_event(ledger, catalogue, follower, answered):
    say(catalogue, answered[0], "confirmed", "Asha")
    say(catalogue, answered[1], "confirmed", "Cleo")
    follow(follower)
    assert sorted(animal["identity"] for animal in ledger.event(1).body["animals"]) == ["Asha", "Cleo"]
    catalogue.undo()
    follow(follower)
    assert [(animal["identity"], len(animal["photos"])) for animal in ledger.event(1).body["animals"]] == [("Asha", 2)]


def test_a_photo_that_a_person_enrolled_by_hand_is_told_as_that_individual(ledger, catalogue, follower, answered):
    seen = NewSighting(photo_sha256=answered[1].sha256, identity="Zoe", photo_name="b.jpg")
    catalogue.add_sighting(seen, {}, "", catalogue.new_batch())
    follow(follower)
    (animal,) = ledger.photo(answered[1].sha256).animals
    assert (animal["verdict"], animal["identity"], animal["review"]["kind"]) == ("known", "Zoe", "enrolled")


def test_the_list_of_open_questions_is_without_what_people_decided(ledger, catalogue, follower, answered, memory_folder):
    def asked():
        return [animal["headline"] for event in listed_events(ledger, True, None) for animal in event["animals"]]

    assert len(asked()) == 1
    say(catalogue, answered[2], "confirmed", "Asha", animal=1)
    follow(follower)
    assert asked() == []
    told = [animal["headline"] for event in listed_events(ledger, False, None) for animal in event["animals"]]
    assert "Asha, confirmed by Ana" in told


def test_another_gallery_in_the_place_of_the_first_renames_nobody(ledger, catalogue, follower, answered, memory_folder):
    follow(follower)
    with Gallery.create(memory_folder / "other.sqlite") as other:
        for number in range(3):
            seen = NewSighting(photo_sha256=f"{number + 9:064x}", identity=f"other {number}", photo_name=f"{number}.jpg")
            other.add_sighting(seen, {}, "", other.new_batch())
        follow(GalleryFollower(ledger, Opened(other)))
    assert ledger.photo(answered[0].sha256).animals[0]["identity"] == "Asha"


DECISIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("review"),
            st.integers(0, 3),
            st.integers(0, 1),
            st.sampled_from(["confirmed", "new", "rejected", "skipped", "not_an_animal"]),
            st.sampled_from([*NAMES, "Dora", "Elsa"]),
            st.booleans(),
        ),
        st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(["Fay", "Gina", *NAMES])),
        st.tuples(st.just("merge"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("split"), st.sampled_from(NAMES), st.sampled_from(["Hila", "Ines"])),
        st.tuples(st.just("undo"), st.integers(1, 2)),
        st.tuples(st.just("follow")),
    ),
    min_size=1,
    max_size=12,
)


def decide(gallery, photos, decision):
    kind, *values = decision
    if kind == "review":
        photo, animal, what, name, boxed = values
        identity = None if what in ("skipped", "not_an_animal") else name
        say(gallery, photos[photo], what, identity, animal, box=BOXES[animal] if boxed else None)
    elif kind == "split":
        name, new = values
        gallery.split(name, [gallery.sightings(individual=name)[0].id], new)
    elif kind == "merge":
        gallery.merge([values[0]], values[1])
    elif kind == "rename":
        gallery.rename(*values)
    elif kind == "undo":
        left = sum(event.kind not in ("add", "undo") and not event.undone for event in gallery.history())
        gallery.undo(min(left, *values)) if left else None


def check_outputs(ledger, gallery, folder, photos):
    """The answers against the gallery, and every output against the answers and against a fresh export."""
    table = rows(folder / "answers.csv")
    lines = newest_lines(folder / "answers.jsonl", "photo")
    observations = [row for row in rows(folder / "camtrap-dp/observations.csv") if row["observationLevel"] == "media"]
    for photo in photos:
        animals = ledger.photo(photo.sha256).animals
        finals, rejected = final_reviews(gallery.reviews_of(photo.sha256)), gallery.rejected_identities([photo.sha256])
        for animal in animals:
            index = animal["animal"]["index"]
            final = finals.get(index)
            if final is not None:
                assert (animal["identity"], animal["review"]["kind"]) == (final.identity, final.kind)
            else:
                assert animal["identity"] not in rejected.get((photo.sha256, index), ())
                assert animal["identity"] is None or gallery.stored_name(animal["identity"]) == animal["identity"]
        assert [each["identity"] for each in lines[photo.sha256]["animals"]] == [each["identity"] for each in animals]
        assert [row["identity"] or None for row in table if row["sha256"] == photo.sha256] == (
            [each["identity"] for each in animals] or [None]
        )
        known = Counter(each["identity"] for each in animals if each["verdict"] == "known")
        told = Counter(row["individualID"] for row in observations if row["mediaID"] == photo.sha256 and row["individualID"])
        assert told == known
        (sidecar,) = (folder / "xmp").rglob(f"{photo.name}.xmp")
        keywords = sidecar.read_text("utf-8")
        assert all(name in keywords for name in known)
    with tempfile.TemporaryDirectory() as fresh:
        outputs.export(Configuration(folders=(), out=folder, csv=True, camtrap_dp=True), Path(fresh), ledger)
        for name in ("answers.csv", "camtrap-dp/observations.csv", "camtrap-dp/media.csv"):
            assert (Path(fresh) / name).read_text("utf-8") == (folder / name).read_text("utf-8")


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(decisions=DECISIONS)
def test_after_any_decisions_every_output_agrees_with_the_gallery(decisions, commit, answer_for):
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as name,
        Ledger.open(Path(name) / "ledger.sqlite") as ledger,
        Gallery.create(Path(name) / "gallery.sqlite") as gallery,
    ):
        folder = Path(name)
        for number, individual in enumerate(NAMES):
            seen = NewSighting(photo_sha256=f"{number:064x}", identity=individual, photo_name=f"{individual}.jpg")
            gallery.add_sighting(seen, {}, "", gallery.new_batch())
        photos = answer_photos(ledger, commit, answer_for, folder)
        sinks = open_all_sinks(ledger, folder)
        follower = GalleryFollower(ledger, Opened(gallery))
        for decision in decisions:
            if decision[0] == "follow":
                follow(follower)
                deliver(ledger, sinks)
                continue
            try:
                decide(gallery, photos, decision)
            except GalleryError:
                continue
        follow(follower)
        deliver(ledger, sinks)
        check_outputs(ledger, gallery, folder, photos)
        for sink in sinks:
            sink.close()
