"""The answers for the animals of a video that are in view together: each combined over its frames, and no individual twice at one time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reid_edge.decide.apart import resolve_tracks
from reid_edge.decide.decision import Decision
from reid_edge.decide.facts import FrameAnswer, TrackFacts
from reid_edge.decide.followed import combine_track
from reid_edge.identify.video import Track, TrackFrame
from reid_edge.photo import Photo

MERGED = "Two animals met here and could not be told apart, so that the frames may show both. A person should look."


@dataclass(frozen=True, eq=False)
class TrackAnswer:
    """The answer for one track, and the frame that it is told by. The other frames are not in memory any more."""

    track: Track
    frame: TrackFrame
    decision: Decision


def answer_of(track: Track, decisions: Sequence[Decision], top: int) -> TrackAnswer:
    """The answer for a track, by itself.

    Args:
        track: whose `best` frames were answered; they are dropped from it.
        decisions: for each of these.
        top: the most identities that the ranking holds.
    """
    answers = tuple(
        FrameAnswer(frame.seconds, each.verdict, each.identity, each.probability)
        for frame, each in zip(track.best, decisions, strict=True)
    )
    combined = combine_track(decisions, TrackFacts(track.number, track.begin, track.end, track.frames, answers), top)
    if track.merged and combined.verdict != "ask" and combined.review is None:
        first = combined.ranking[0] if combined.ranking else None
        identity, probability = (first.identity, first.probability) if first else (None, 0.0)
        combined = replace(combined, verdict="ask", identity=identity, probability=probability, reason=MERGED)
    frame = next(each for each in track.best if each.photo.sha256 == combined.photo.sha256)
    track.best.clear()
    return TrackAnswer(track, frame, combined)


def answered_scene(scene: Sequence[TrackAnswer]) -> Iterator[tuple[Photo, list[Decision]]]:
    """The frames and answers of tracks, in the order in which they begin, with what follows from their being in view together."""
    ordered = sorted(scene, key=lambda each: each.track.number)
    places = {each.track.number: place for place, each in enumerate(ordered)}
    together = {
        (place, places[other])
        for place, each in enumerate(ordered)
        for other in each.track.together
        if other in places and place < places[other]
    }
    undecided = [each.decision for each in ordered]
    for each, decision in zip(ordered, resolve_tracks(undecided, together), strict=True):
        yield each.frame.picture(), [decision]
