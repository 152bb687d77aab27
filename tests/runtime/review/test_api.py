"""The HTTP API: photos in, answers out; resources; health, metrics and a description that works offline."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from reid_edge.review.identification import PackChoice
from reid_edge.review.services import Services, Sources
from reid_edge.review.web.application import application
from reid_edge.review.web.security import Access

pytest.importorskip("fastapi", reason="the API is the extra `review`")
from fastapi.testclient import TestClient

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/decision.schema.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def api(sample_gallery):
    services = Services(sample_gallery.path, PackChoice("field", "cpu", 1), Sources(), Access())
    yield TestClient(application(services, pages=False), base_url="http://localhost")
    services.close()


def test_photos_that_are_sent_in_are_answered_with_evidence_and_crops(api, samples):
    photo = (samples / "photos/trail_2.jpg").read_bytes()
    files = [
        ("photos", ("../../etc/trail 2.jpg", photo)),
        ("photos", ("broken.jpg", b"\xff\xd8no photo")),
        ("photos", ("", photo)),
    ]
    answered = api.post("/api/identify?viewpoint=left&evidence=true&crops=true&top=2", files=files[:2])
    assert answered.status_code == 200, answered.text
    first, second = answered.json()
    (decision,) = first["animals"]
    Draft202012Validator(SCHEMA).validate(decision)
    assert (first["name"], decision["identity"], decision["photo"]["path"]) == ("trail 2.jpg", "Chipo", None)
    assert decision["ranking"][0]["matches"]
    assert len(decision["ranking"]) == 2
    assert base64.b64decode(first["crops"][0])[:2] == b"\xff\xd8"
    assert (second["animals"], second["sha256"]) == ([], None)
    assert second["error"]


def test_a_request_of_60_megabytes_is_refused(api):
    assert api.post("/api/identify", files={"photos": ("large.jpg", bytes(60_000_000))}).status_code == 413


def test_what_is_no_request_is_said(api):
    assert api.post("/api/identify").status_code == 422
    assert api.post("/api/decisions", json={"photo_sha256": "../etc", "kind": "confirmed", "person": "Ana"}).status_code == 422
    assert api.get("/api/individuals/Nobody").status_code == 404
    assert api.get("/api/sightings/999999").status_code == 404
    assert api.get("/api/sightings?individual=Nobody").status_code == 409
    assert "no individual" in api.get("/api/sightings?individual=Nobody").json()["error"]


def test_individuals_and_sightings_are_resources(api):
    names = [each["name"] for each in api.get("/api/individuals").json()]
    assert "Chipo" in names
    assert api.get("/api/individuals/chipo").json()["name"] == "Chipo"
    sightings = api.get("/api/sightings?individual=Chipo").json()
    assert len(sightings) == 3
    one = api.get(f"/api/sightings/{sightings[0]['id']}").json()
    assert one == sightings[0]
    assert api.get(f"/api/sightings/{one['id']}/crop.jpg").content[:2] == b"\xff\xd8"


def test_decisions_are_stored_conflict_and_are_taken_back(page):
    sent = {"photo_sha256": "ab" * 32, "kind": "confirmed", "person": "Ana", "identity": "Chipo", "expected": 0}
    stored = page.client.post("/api/decisions", json=sent)
    assert stored.status_code == 201, stored.text
    assert page.client.post("/api/decisions", json=sent).status_code == 409
    (listed,) = page.client.get("/api/decisions", params={"photo_sha256": "ab" * 32}).json()
    assert (listed["identity"], listed["person"]) == ("Chipo", "Ana")
    assert page.client.get("/api/decisions", params={"after": listed["sequence"]}).json() == []
    undone = page.client.post(f"/api/decisions/{listed['sequence']}/undo", params={"person": "Ben"})
    assert undone.status_code == 200
    assert page.client.get("/api/decisions").json() == []
    assert page.client.post(f"/api/decisions/{listed['sequence']}/undo", params={"person": "Ben"}).status_code == 404


def test_health_and_metrics_are_told(page):
    assert page.client.get("/healthz").json() == {"healthy": True, "reasons": []}
    text = page.get("/metrics")
    assert 'reid_edge_review_animals{verdict="ask",decided="false"}' in text
    assert "reid_edge_review_request_seconds_count" in text


def test_the_api_describes_itself_without_the_net(api):
    schema = api.get("/openapi.json").json()
    assert {"/api/identify", "/api/individuals", "/api/sightings", "/api/decisions", "/healthz", "/metrics"} <= set(
        schema["paths"]
    )
    text = api.get("/docs").text
    assert "/api/identify" in text
    assert not re.search(r'(?:src|href)="(?!/|data:|#)', text)


def test_the_api_alone_has_no_pages(api):
    assert api.get("/individuals").status_code == 404
