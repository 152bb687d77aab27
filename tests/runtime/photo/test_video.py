"""Frames of videos: the ones that were asked for, the same every time, and a sentence for what is no video."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_edge.errors import PhotoError, UsageError
from reid_edge.photo import DecodeLimits
from reid_edge.photo.video import VIDEO_EXTENSIONS, frames

RATE, COUNT = 10, 45


def write(path: Path, code: str = "MJPG", count: int = COUNT) -> Path:
    """A video whose frame n has the brightness 5 n on the left, and is dark on the right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), RATE, (64, 48))
    for number in range(count):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, :32] = 5 * number
        writer.write(frame)
    writer.release()
    return path


def numbers(found):
    return [round(float(frame.photo.rgb[:, 4:28].mean()) / 5) for frame in found]


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "MJPG")])
def test_a_frame_every_so_many_seconds_is_given_in_order(tmp_path, name, code):
    found = list(frames(write(tmp_path / name, code), 1.0))
    assert [frame.seconds for frame in found] == pytest.approx([0, 1, 2, 3, 4])
    assert numbers(found) == pytest.approx([0, 10, 20, 30, 40], abs=1)  # MPEG-4 darkens a little
    assert found[2].photo.rgb[:, 40:].max() < 30
    assert (found[2].photo.name, found[2].photo.width, found[2].photo.taken_at) == (f"{name}, 2.0 s", 64, None)
    assert Path(name).suffix in VIDEO_EXTENSIONS


@pytest.mark.parametrize(("every", "wanted"), [(0.25, 18), (0.1, 45), (0.01, 45), (100, 1), (4.4, 2)])
def test_steps_that_are_no_whole_frames_give_the_nearest_ones(tmp_path, every, wanted):
    found = list(frames(write(tmp_path / "a.avi"), every))
    assert len(found) == wanted
    assert len({frame.photo.sha256 for frame in found}) == wanted


def test_a_frame_has_the_same_hash_whenever_and_with_whichever_step_it_is_read_and_other_videos_have_others(tmp_path):
    first = write(tmp_path / "a.avi")
    other = write(tmp_path / "b.avi", count=COUNT - 1)
    by_second, by_two = ({f.seconds: f.photo.sha256 for f in frames(first, step)} for step in (1.0, 2.0))
    assert by_two.items() <= by_second.items()
    assert not set(by_second.values()) & {frame.photo.sha256 for frame in frames(other, 1.0)}


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path, capfd):
    (tmp_path / "text.mp4").write_text("Station 12: two nyala.\n")
    (tmp_path / "empty.avi").touch()
    (tmp_path / "zeros.mp4").write_bytes(bytes(100_000))
    for name in ("text.mp4", "empty.avi", "zeros.mp4", "no.mp4", "."):
        with pytest.raises(PhotoError) as refused:
            list(frames(tmp_path / name, 1.0))
        assert refused.value.hint
    with pytest.raises(UsageError):
        list(frames(tmp_path / "text.mp4", 0))


def test_a_process_that_meets_a_broken_video_first_prints_nothing_but_the_error(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    code = (
        "import sys; from pathlib import Path; from reid_edge.photo.video import frame_count, frames\n"
        "frame_count(Path(sys.argv[1]), 1.0)\n"
        "try: list(frames(Path(sys.argv[1]), 1.0))\n"
        "except Exception as error: print(error.message)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "noise.mp4 is not a video that can be read.\n"
    assert done.stderr == ""


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_video_that_is_cut_off_gives_its_frames_and_is_said_to_be(tmp_path, share):
    path = write(tmp_path / "a.avi")
    os.truncate(path, int(path.stat().st_size * share))
    found = []
    with pytest.raises(PhotoError):
        found.extend(frame for frame in iter_into(found, frames(path, 0.1)))
    assert numbers(found) == list(range(len(found)))


def iter_into(found, each):
    for frame in each:
        found.append(frame)
    return []


def test_limits_are_kept(tmp_path):
    with pytest.raises(PhotoError, match="frames have 64 x 48 pixels"):
        list(frames(write(tmp_path / "a.avi"), 1.0, DecodeLimits(max_pixels=3000)))
