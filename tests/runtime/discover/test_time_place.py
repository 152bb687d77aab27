"""What time and place say of a pair."""

from __future__ import annotations

import pytest

from reid_edge.discover.time_place import TravelPrior

NAIROBI = {"latitude": -1.29, "longitude": 36.82}
FORTY_KM_NORTH = {"latitude": -0.93, "longitude": 36.82}


def pair(sighting, second_time: str, second_place=FORTY_KM_NORTH, first_time: str = "2025-06-01T08:00:00"):
    return sighting("a", taken_at=first_time, **NAIROBI), sighting("b", taken_at=second_time, **second_place)


def test_an_animal_is_not_forty_km_away_within_minutes(sighting) -> None:
    prior, seen = TravelPrior(), pair(sighting, "2025-06-01T08:20:00")
    assert prior.log_odds(seen)[0, 1] == pytest.approx(-4)
    assert prior.remark(*seen) == "seen 40 km away 20 minutes apart: less likely one animal"


def test_a_day_is_enough_for_forty_km(sighting) -> None:
    prior, seen = TravelPrior(), pair(sighting, "2025-06-02T08:00:00")
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
    assert not TravelPrior().log_odds(pair(sighting, **seen)).any()


def test_it_is_symmetric_and_can_be_switched_off(sighting) -> None:
    seen = pair(sighting, "2025-06-01T08:20:00")
    table = TravelPrior().log_odds(seen)
    assert (table == table.T).all()
    assert not TravelPrior(0).log_odds(seen).any()
    assert TravelPrior(0).remark(*seen) == ""


def test_times_with_and_without_a_zone_are_compared_by_the_cameras_clocks(sighting) -> None:
    seen = pair(sighting, "2025-06-01T08:20:00+03:00")
    assert TravelPrior().log_odds(seen)[0, 1] == pytest.approx(-4)
