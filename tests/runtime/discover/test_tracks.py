"""Frames of one track are one animal, and two tracks at one time are two, whatever they look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid_edge.discover.constraints import Seen, constraints_of
from reid_edge.discover.tracks import TrackSpan, meeting_tracks, same_tracks

VIDEO, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def frame(sighting):
    """frame(name, span): an animal of a frame."""
    return lambda name, span: Seen(replace(sighting(name), identity=span.name if span else ""))


def test_a_span_is_read_back_from_the_working_file_and_no_photo_has_one(sighting) -> None:
    span = TrackSpan(VIDEO, 3, 500, 4000)
    assert TrackSpan.of(replace(sighting("f"), identity=span.name)) == span
    assert TrackSpan.of(sighting("f")) is None
    assert TrackSpan.of(replace(sighting("f"), identity=f"{VIDEO}-0")) is None


def test_tracks_meet_where_one_frame_shows_both() -> None:
    first = TrackSpan(VIDEO, 1, 0, 2000)
    assert first.meets(TrackSpan(VIDEO, 2, 2000, 3000))
    assert not first.meets(TrackSpan(VIDEO, 2, 2500, 3000))
    assert not first.meets(TrackSpan(OTHER, 2, 0, 3000))
    assert not first.meets(first)


def test_constraints_hold_frames_of_a_track_together_and_tracks_at_one_time_apart(frame) -> None:
    first, second, later = TrackSpan(VIDEO, 1, 0, 2000), TrackSpan(VIDEO, 2, 1000, 3000), TrackSpan(VIDEO, 3, 4000, 5000)
    spans = [first, first, second, later, None]
    assert same_tracks(spans) == [(0, 1)]
    constraints = constraints_of([frame(str(place), span) for place, span in enumerate(spans)])
    assert constraints.same == ((0, 1),)
    apart = np.zeros((5, 5), bool)
    apart[:2, 2] = apart[2, :2] = True
    assert np.array_equal(constraints.different, apart)
    assert np.array_equal(meeting_tracks(spans), apart)


def test_an_individual_of_a_catalogue_with_such_a_name_is_no_track(frame) -> None:
    named = [replace(frame(name, TrackSpan(VIDEO, 1, 0, 9)), name=who) for name, who in (("a", "Asha"), ("b", "Enzi"))]
    assert constraints_of(named).same == ()
