"""What time and place say of a pair."""

from __future__ import annotations

import pytest

from reid_edge.errors import PackError
from reid_edge.gallery.time_place import MAX_SPEED, OFF, TimePlaceModel, TimesAndPlaces, seen_before

NAIROBI = {"latitude": -1.29, "longitude": 36.82}
FORTY_KM_NORTH = {"latitude": -0.93, "longitude": 36.82}


def pair(sighting, second_time: str, second_place=FORTY_KM_NORTH, first_time: str = "2025-06-01T08:00:00"):
    return sighting("a", taken_at=first_time, **NAIROBI), sighting("b", taken_at=second_time, **second_place)


def test_an_animal_is_not_forty_km_away_within_minutes(sighting) -> None:
    prior, seen = TimePlaceModel(MAX_SPEED), pair(sighting, "2025-06-01T08:20:00")
    assert prior.log_odds(seen)[0, 1] == pytest.approx(-4)
    assert prior.remark(*seen) == "seen 40 km away 20 minutes apart: less likely one animal"


def test_a_day_is_enough_for_forty_km(sighting) -> None:
    prior, seen = TimePlaceModel(MAX_SPEED), pair(sighting, "2025-06-02T08:00:00")
    assert prior.log_odds(seen)[0, 1] == 0
    assert prior.remark(*seen) == ""


@pytest.mark.parametrize(
    "seen",
    [
        {"second_time": ""},
        {"second_time": "2025-06-01"},
        {"second_time": "no time"},
        {"second_time": "2025-06-01T08:20:00", "second_place": {}},
        {"second_time": "2025-06-01T08:20:00", "second_place": NAIROBI},
    ],
)
def test_a_missing_time_or_place_and_the_same_place_say_nothing(sighting, seen) -> None:
    assert not TimePlaceModel(MAX_SPEED).log_odds(pair(sighting, **seen)).any()


def test_it_is_symmetric_and_can_be_switched_off(sighting) -> None:
    seen = pair(sighting, "2025-06-01T08:20:00")
    table = TimePlaceModel(MAX_SPEED).log_odds(seen)
    assert (table == table.T).all()
    assert not OFF.log_odds(seen).any()
    assert OFF.remark(*seen) == ""


def test_times_with_and_without_a_zone_are_compared_by_the_cameras_clocks(sighting) -> None:
    seen = pair(sighting, "2025-06-01T08:20:00+03:00")
    assert TimePlaceModel(MAX_SPEED).log_odds(seen)[0, 1] == pytest.approx(-4)


WEIGHTS = TimePlaceModel(MAX_SPEED, burst=2.0, near=1.0)


@pytest.mark.parametrize(("time", "expected"), [("08:00:40", 2.0), ("08:05:00", 1.0), ("08:30:00", 0.0)])
def test_photos_of_one_camera_within_a_minute_or_minutes_are_more_likely_one_animal(sighting, time: str, expected: float) -> None:
    seen = pair(sighting, f"2025-06-01T{time}", NAIROBI)
    assert WEIGHTS.log_odds(seen)[0, 1] == expected
    assert ("more likely" in WEIGHTS.remark(*seen)) == bool(expected)


def test_a_camera_is_recognised_by_its_name_before_its_position(sighting) -> None:
    time = "2025-06-01T08:00:00"
    gate, door, nameless = (
        sighting(name, taken_at=time, place=place) for name, place in (("a", "Gate"), ("b", "door"), ("c", ""))
    )
    same = sighting("d", taken_at=time, place="gate")
    assert WEIGHTS.log_odds([gate, same, door, nameless]).tolist()[0] == [0, 2, 0, 0]


def test_of_an_individual_one_impossible_sighting_counts_and_the_order_of_the_gallery_does_not(sighting) -> None:
    near = sighting("a", identity="Asha", taken_at="2025-06-01T08:00:20", **NAIROBI)
    far = sighting("b", identity="Asha", taken_at="2025-06-01T08:20:00", **FORTY_KM_NORTH)
    other = sighting("c", identity="Baraka", taken_at="2025-06-01T08:00:20", **NAIROBI)
    undated = sighting("d", identity="Chipo", **NAIROBI)
    query = sighting("e", taken_at="2025-06-01T08:00:00", **NAIROBI)
    gallery = [near, far, other, undated]
    found = seen_before(WEIGHTS, query, TimesAndPlaces(gallery))
    assert found.log_odds == {"Asha": -4.0, "Baraka": 2.0}
    assert found.remarks["Asha"] == "seen 40 km away 20 minutes apart: less likely one animal"
    assert seen_before(WEIGHTS, query, TimesAndPlaces(gallery[::-1])) == found


def test_the_very_photo_is_no_evidence_about_itself(sighting) -> None:
    query = sighting("a", taken_at="2025-06-01T08:00:00", **NAIROBI)
    enrolled = sighting("a", 7, identity="Asha", taken_at="2025-06-01T08:00:00", **NAIROBI)
    assert not seen_before(WEIGHTS, query, TimesAndPlaces([enrolled])).log_odds


@pytest.mark.parametrize(
    ("facts", "missing"), [({}, "no time and no place"), (NAIROBI, "no time,"), ({"taken_at": "2025-06-01T08:00"}, "no place,")]
)
def test_what_is_missing_is_said_and_changes_nothing(sighting, facts, missing: str) -> None:
    gallery = TimesAndPlaces([sighting("a", identity="Asha", taken_at="2025-06-01T08:00:20", **NAIROBI)])
    found = seen_before(WEIGHTS, sighting("b", **facts), gallery)
    assert missing in found.missing
    assert not found.log_odds
    assert seen_before(OFF, sighting("b", **facts), gallery).missing == ""


def test_weights_beyond_the_limit_are_refused() -> None:
    for wrong in ({"max_speed": -1.0}, {"burst": 5.0}, {"near": -1.0}, {"max_speed": float("nan")}):
        with pytest.raises(PackError):
            TimePlaceModel(**wrong)
