"""What time and place say of a pair is fitted on labels, or stays off where too few animals vouch for it."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from reid_edge.gallery.records import Observation
from reid_edge.gallery.time_place import MOST, TimePlaceModel
from reid_edge_calibration.time_place import fit_time_place

START = datetime(2025, 6, 1)


def photos(animals: int, km: float = 5.0, burst: int = 3) -> list[Observation]:
    """Each animal passes one camera in bursts, and another one `km` away two hours later; one animal a day."""
    made = []
    for animal in range(animals):
        for visit in range(2):
            for shot in range(burst):
                time = START + timedelta(days=animal, hours=2 * visit, seconds=20 * shot)
                made.append(
                    Observation(
                        photo_sha256=f"{animal}-{visit}-{shot}",
                        identity=f"animal {animal}",
                        taken_at=time.isoformat(),
                        latitude=-1.0 + visit * km / 111.19,
                        longitude=36.0,
                        place=f"camera {visit}",
                    )
                )
    return made


def test_the_speed_is_above_what_animals_were_seen_to_travel_and_bursts_count() -> None:
    fitted = fit_time_place(photos(20))
    assert fitted is not None
    assert fitted.max_speed == pytest.approx(1.5 * 5 / 2.1, abs=0.1)
    assert 2 < fitted.burst <= MOST
    assert fitted.near == 0


def test_the_order_of_the_photos_does_not_matter() -> None:
    seen = photos(15)
    mixed = [seen[place] for place in np.random.default_rng(0).permutation(len(seen))]
    assert fit_time_place(mixed) == fit_time_place(seen)


def test_too_few_animals_or_no_time_switch_it_off() -> None:
    assert fit_time_place(photos(9)) is None
    undated = [Observation(photo_sha256=each.photo_sha256, identity=each.identity, place=each.place) for each in photos(20)]
    assert fit_time_place(undated) is None
    assert fit_time_place([]) is None


def test_strangers_who_pass_one_camera_together_make_bursts_worth_less() -> None:
    herd = [
        Observation(
            photo_sha256=f"{each.photo_sha256}-{other}",
            identity=f"{each.identity} {other}",
            taken_at=each.taken_at,
            place=each.place,
        )
        for each in photos(20)
        for other in range(5)
    ]
    alone, together = fit_time_place(photos(20)), fit_time_place(herd)
    assert alone is not None
    assert together is None or together.burst < alone.burst


def test_the_model_is_kept_in_a_calibration_and_an_older_one_has_none(field_pack) -> None:
    from dataclasses import replace

    from reid_edge.decide.calibration import read_calibration
    from reid_edge.identify.identifier import CALIBRATION
    from reid_edge_calibration.model_file import model_to_json

    model = read_calibration(field_pack.read_bytes(CALIBRATION))
    assert model.generic.time_place is None
    assert "time_place" not in model_to_json(model)
    changed = replace(model, generic=replace(model.generic, time_place=TimePlaceModel(3.5, 2.0, 1.0)))
    assert read_calibration(model_to_json(changed)) == changed
