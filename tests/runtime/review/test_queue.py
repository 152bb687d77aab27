"""The queue: its order, its groups, its filters and how far it is."""

from __future__ import annotations

from dataclasses import replace

from reid_edge.gallery import Gallery, NewReview
from reid_edge.review.answers.grouping import in_events
from reid_edge.review.answers.json_lines import JsonLinesAnswers
from reid_edge.review.queue import Filter, Queue, following


def photos(groups):
    return [group.lead.answer.photo for group in groups]


def queue_of(gallery, path):
    queue = Queue(gallery, JsonLinesAnswers(path))
    queue.refresh()
    return queue


def test_questions_come_first_and_the_clearest_of_them_first(own_gallery, answers_file, answers):
    with Gallery.open(own_gallery) as gallery:
        queue = queue_of(gallery, answers_file)
        everything = queue.groups(Filter(show="all"))
        verdicts = [group.lead.answer.verdict for group in everything]
        assert verdicts == sorted(verdicts, key=["ask", "new", "known"].index)
        leads = [group.lead.answer.lead for group in everything if group.lead.answer.verdict == "ask"]
        assert leads == sorted(leads, reverse=True)
        sure = [group.lead.answer.probability for group in everything if group.lead.answer.verdict == "known"]
        assert sure == sorted(sure)
        assert len(everything) == len(answers)


def test_a_sure_answer_that_a_person_contradicts_comes_before_everything(own_gallery, answers_file, answers):
    with Gallery.open(own_gallery) as gallery:
        queue = queue_of(gallery, answers_file)
        sha256 = answers["trail_2.jpg"].photo.sha256
        gallery.review(NewReview(photo_sha256=sha256, kind="rejected", person="Ben", identity="Chipo"))
        queue.refresh()
        assert photos(queue.groups(Filter()))[0] == "trail_2.jpg"


def test_photos_of_one_camera_within_a_minute_are_one_question(own_gallery, burst):
    with Gallery.open(own_gallery) as gallery:
        groups = queue_of(gallery, burst).groups(Filter())
    assert sorted(len(group.items) for group in groups) == [1, 3]


def test_photos_without_a_time_are_questions_of_their_own(own_gallery, answers_file):
    found = [replace(each, camera="gate", taken_at=None) for each in JsonLinesAnswers(answers_file).answers()]
    assert len({each.event for each in in_events(found)}) == len(found)


def test_filters_go_by_verdict_species_camera_and_day(own_gallery, burst):
    with Gallery.open(own_gallery) as gallery:
        queue = queue_of(gallery, burst)
        species, cameras = queue.choices()
        assert (len(species), cameras) == (1, ["gate"])
        assert queue.groups(Filter(species=species[0].upper(), camera="gate", since="2026-03-09", until="2026-03-09"))
        for wanted in (Filter(species="lion"), Filter(camera="river"), Filter(since="2026-03-10"), Filter(show="known")):
            assert not queue.groups(wanted)
            assert queue.progress(wanted).total == 0


def test_what_is_decided_leaves_the_queue_and_comes_back_with_undo(own_gallery, answers_file, answers):
    with Gallery.open(own_gallery) as gallery:
        queue = queue_of(gallery, answers_file)
        first = queue.groups(Filter())[0].lead.answer
        stored = gallery.review(NewReview(photo_sha256=first.sha256, kind="not_an_animal", person="Ana"))
        queue.refresh()
        assert first.photo not in photos(queue.groups(Filter()))
        assert queue.progress(Filter()).decided == 1
        gallery.undo_batch(stored.batch)
        queue.refresh()
        assert photos(queue.groups(Filter()))[0] == first.photo


def test_what_was_skipped_comes_last_and_is_counted(own_gallery, answers_file):
    with Gallery.open(own_gallery) as gallery:
        queue = queue_of(gallery, answers_file)
        first = queue.groups(Filter())[0].lead.answer
        gallery.review(NewReview(photo_sha256=first.sha256, kind="skipped", person="Ana"))
        queue.refresh()
        assert photos(queue.groups(Filter()))[-1] == first.photo
        assert queue.progress(Filter()).skipped == 1


def test_a_photo_that_was_enrolled_elsewhere_is_no_question(own_gallery, answers_file, answers, samples, run_main):
    with Gallery.open(own_gallery) as gallery:
        queue = queue_of(gallery, answers_file)
        photo = samples / "photos/trail_3.jpg"
        run_main("gallery", "add", photo, "--identity", "Kito", "--new", "--gallery", own_gallery, "--threads", 1)
        queue.refresh()
        assert "trail_3.jpg" not in photos(queue.groups(Filter()))


def test_after_a_question_come_those_behind_it_and_then_those_before_it(own_gallery, answers_file):
    with Gallery.open(own_gallery) as gallery:
        groups = queue_of(gallery, answers_file).groups(Filter(show="all"))
    assert following(groups, groups[1].id) == [*groups[2:], groups[0]]
    assert following(groups, "nothing") == groups
