"""Videos in a discovery: each animal once in the working file, a killed run begins an unfinished video anew, groups across the crossing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from reid_edge.discover import Discovery
from reid_edge.discover.collecting import PhotoFacts, collect, collected_sightings
from reid_edge.discover.tracks import TrackSpan
from reid_edge.discover.videos import VideoCollector
from reid_edge.gallery import Gallery
from reid_edge.identify.video import VideoOptions

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "discovery.schema.json").read_text("utf-8"))
FACTS = PhotoFacts("", "left")


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def collected(crossing, identifier, tmp_path_factory):
    """The working file of the crossing, read by a run that is stopped in its midst, and by another one."""
    path = tmp_path_factory.mktemp("videos") / "work.sqlite"

    def stopping(frames, name, count):
        for number, frame in enumerate(frames):
            if number == 8:
                raise Stopped
            yield frame

    with Gallery.create(path) as work:
        with pytest.raises(Stopped):
            collect([crossing.path], work, identifier, FACTS, VideoOptions(watch=stopping))
        assert work.sightings()
        found = collect([crossing.path], work, identifier, FACTS)
    return path, found


def test_each_track_is_in_the_working_file_once_also_after_a_stop(collected, crossing, identifier) -> None:
    path, found = collected
    with Gallery.open(path) as work:
        frames = [(each.photo_sha256, each.animal_index) for each in work.sightings()]
        assert len(set(frames)) == len(frames)
        spans = {TrackSpan.of(each) for each in work.sightings()}
        assert None not in spans
        assert len(spans) >= 4
        assert {each.photo_path for each in work.sightings()} == {str(crossing.path)}
        (video,) = found.videos.values()
        assert video.frames == 12
        assert video.merged <= 1  # while they cross, one outline may hold both animals


def test_a_video_that_is_there_is_not_read_again_and_with_other_settings_it_is(collected, crossing, identifier) -> None:
    path, _ = collected
    read = []

    def note(frames, name, count):
        read.append(name)
        return frames

    with Gallery.open(path) as work:
        again = collect([crossing.path, crossing.path], work, identifier, FACTS, VideoOptions(watch=note))
        assert (read, len(again.videos), len(again.copies)) == ([], 1, 1)
        collector = VideoCollector(work, identifier, None, VideoOptions(2.0))  # type: ignore[arg-type]
        assert not collector._whole


def test_the_animals_before_and_after_the_crossing_are_grouped_and_never_with_each_other(collected, crossing, identifier) -> None:
    path, found = collected
    with Gallery.open(path) as work:
        discovery = Discovery.of(work, collected_sightings(work, found, FACTS), identifier)
        list(discovery.compare(discovery.remaining))
        report = discovery.report()
    jsonschema.validate(json.loads(json.dumps(report.as_json())), SCHEMA)
    whole = []
    for group in report.groups:
        spans = {TrackSpan.of(seen.sighting) for seen in group.members}
        seconds = [float(seen.sighting.photo_name.split(", ")[1].split()[0]) for seen in group.members]
        whos = {crossing.nearest(at, seen.sighting.box) for at, seen in zip(seconds, group.members, strict=True)} - {""}
        assert len(whos) <= 1
        if len(spans) > 1 and whos:
            whole += whos
    assert sorted(whole) == ["Asha", "Enzi"]
