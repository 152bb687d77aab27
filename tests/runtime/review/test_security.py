"""What keeps strangers out: names, origins, tokens, sizes, and text that wants to be a script."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reid_edge.errors import UsageError
from reid_edge.gallery import Gallery
from reid_edge.review.server import check_address, listen
from reid_edge.review.web.security import Access

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.nip.io", "", "169.254.1.1"]
)
def test_a_foreign_name_is_refused_so_that_no_name_can_be_pointed_here(page, host):
    assert page.client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1", "[::1]:8765", "LOCALHOST"])
def test_this_computers_own_names_are_answered(page, host):
    assert page.client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_name_that_was_allowed_is_answered(open_page):
    page = open_page(access=Access(hosts=("ranger.local",)))
    assert page.client.get("/", headers={"Host": "ranger.local:8765"}).status_code == 200


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_change_from_another_site_is_refused_on_pages_and_api(page, headers):
    token = {"X-Form-Token": page.services.access.form_token}
    for address in ("/undo", "/individual/rename", "/api/decisions", "/person"):
        assert page.client.post(address, headers={**headers, **token}).status_code == 403


def test_a_form_without_this_starts_token_changes_nothing(page):
    answered = page.client.post("/individual/rename", data={"name": "Chipo", "new": "Zoe", "form_token": "guess"})
    assert answered.status_code == 403
    assert "Chipo" in page.services.gallery.names()


def test_with_an_access_token_nothing_is_told_without_it(open_page):
    page = open_page(access=Access(token="a-token-of-enough-length"))
    for address in ("/", "/individuals", "/api/individuals", "/metrics", "/openapi.json", "/pictures/sighting/1.jpg"):
        assert page.client.get(address).status_code == 401, address
    assert page.client.get("/api/individuals", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert page.client.get("/api/individuals", headers={"Authorization": "Bearer a-token-of-enough-length"}).status_code == 200
    assert page.client.get("/healthz").status_code == 200


def test_the_access_token_is_given_once_and_then_kept_in_a_cookie(open_page):
    page = open_page(access=Access(token="a-token-of-enough-length"))
    entered = page.client.get("/enter?token=a-token-of-enough-length", follow_redirects=False)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert "httponly" in entered.headers["set-cookie"].lower()
    assert page.client.get("/individuals").status_code == 200


def test_an_address_that_others_can_reach_needs_a_long_token():
    for host in ("0.0.0.0", "192.168.1.7", "::", "ranger.local"):
        for token in ("", "short"):
            with pytest.raises(UsageError, match="access token"):
                check_address(host, token)
        check_address(host, "a-token-of-enough-length")
    for host in ("127.0.0.1", "localhost", "::1"):
        check_address(host, "")


def test_an_address_in_use_is_a_usage_error():
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(UsageError, match="cannot be used"):
            listen("127.0.0.1", taken.getsockname()[1])


def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_its_bytes(open_page):
    page = open_page(access=Access(max_body_bytes=10_000))
    assert page.client.post("/api/identify", files={"photos": ("a.jpg", b"x" * 20_000)}).status_code == 413
    chunks = (b"x" * 1000 for _ in range(30))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert page.client.post("/api/identify", content=chunks, headers=headers).status_code == 413


def test_every_page_forbids_scripts_and_pictures_from_elsewhere(page):
    for address in ("/", "/individuals", "/history", "/doubles", "/docs", "/question"):
        policy = page.client.get(address).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_names_that_want_to_be_scripts_stay_text_everywhere(open_page, own_gallery, answers, tmp_path):
    decision = answers["trail_3.jpg"]
    photo = replace(
        decision.photo, name=HOSTILE, path=f"/cards/{HOSTILE.replace('/', '_')}/x.jpg", taken_at="2026-03-09T06:20:01"
    )
    ranking = tuple(replace(ranked, photo=HOSTILE) for ranked in decision.ranking)
    hostile = replace(decision, photo=photo, ranking=ranking, reason=HOSTILE, warnings=(HOSTILE,))
    path = tmp_path / "hostile.jsonl"
    path.write_text(json.dumps(hostile.as_json()).replace('"Chipo"', json.dumps(HOSTILE)) + "\n", encoding="utf-8")
    with Gallery.open(own_gallery) as gallery:
        gallery.rename("Chipo", HOSTILE)
        gallery.annotate(HOSTILE, notes=HOSTILE)
    page = open_page(person=HOSTILE.replace('"', "%22").replace(";", "").replace("'", "%27"), answers=path)
    answer_id = page.id_of(HOSTILE)
    addresses = ("/", f"/question/{answer_id}", f"/question/{answer_id}/box", "/individuals", "/history")
    texts = [page.get(address) for address in addresses]
    texts.append(page.client.get("/individual", params={"name": HOSTILE}).text)
    for text in texts:
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert "&lt;script&gt;" in texts[1]


def test_paths_do_not_leave_the_files_of_the_page(page):
    for address in ("/static/../application.py", "/static/%2e%2e/application.py", "/pictures/sighting/..%2f..%2fetc.jpg"):
        assert page.client.get(address).status_code in (404, 422), address
