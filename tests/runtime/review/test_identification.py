"""The pack at work for the page serves one request at a time."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from reid_edge.photo import read_photo
from reid_edge.review.identification import Identification, PackChoice


def test_of_the_requests_for_matched_points_that_wait_only_the_newest_is_answered(own_gallery, answers, samples):
    photo, box = read_photo(samples / "photos" / "trail_1.jpg"), answers["trail_1.jpg"].animal.box
    identification = Identification(own_gallery, PackChoice("field", "cpu", 1))
    with ThreadPoolExecutor(3) as pool:
        with identification._lock:  # somebody is served
            waiting = []
            for number in (1, 2, 3):
                waiting.append(pool.submit(identification.evidence, photo, box, ["Chipo"]))
                until = time.monotonic() + 600  # only so that a failure ends
                while identification._asked < number:
                    assert time.monotonic() < until
                    threading.Event().wait(0.01)
        assert [each.result() is None for each in waiting] == [True, True, False]
    identification.close()


def test_a_page_whose_request_for_matched_points_lost_its_turn_asks_again(open_page, answers_file, monkeypatch):
    page = _without_evidence(open_page, answers_file)
    question = f"/question/{page.id_of('trail_1.jpg')}"
    assert "/lines?" in page.get(question)
    served = page.services.identification.evidence
    monkeypatch.setattr(page.services.identification, "evidence", lambda *_: None)
    assert "/lines?" in page.get(f"{question}/lines")
    monkeypatch.setattr(page.services.identification, "evidence", served)
    assert "/lines?" not in page.get(f"{question}/lines")


def _without_evidence(open_page, answers_file):
    lines = [json.loads(line) for line in answers_file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        for ranked in line["ranking"]:
            ranked.pop("matches", None)
    answers_file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return open_page()
