"""Frames of a video as photos, one every so many seconds, decoded by OpenCV's FFmpeg."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from reid_edge.errors import PhotoError, UsageError
from reid_edge.photo.decode import DEFAULT_LIMITS, DecodeLimits, Photo
from reid_edge.photo.pixels import silence_opencv
from reid_edge.photo.video_time import video_taken_at

VIDEO_EXTENSIONS = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".mts", ".3gp", ".webm"})
_MOST_BYTES = 20_000_000_000
_COPY_AGAIN = "Copy the file again from the card."
_READ = 1 << 20


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video.

    Attributes:
        seconds: from the beginning of the video.
        photo: the frame, upright. Its sha256 is made of the video's and of the frame's place in it, so that it is the same whenever it
            is read; its `taken_at` is that of the video's beginning (`video_taken_at`) and `seconds`.
    """

    seconds: float
    photo: Photo


def frames(path: Path, every_seconds: float, limits: DecodeLimits = DEFAULT_LIMITS) -> Iterator[VideoFrame]:
    """The frames nearest to 0, `every_seconds`, 2 x `every_seconds`, ... of a video, in their order.

    Frames between are skipped without being converted; the video is read once, from its beginning, so that no wrong index can mislead.

    Raises:
        PhotoError: it cannot be read, is not a video that FFmpeg knows, holds no frame, is over the limits, or is cut off; the frames
            before the cut are given first.
        UsageError: `every_seconds` is not above 0.
    """
    if not every_seconds > 0:
        raise UsageError(f"Frames cannot be taken every {every_seconds:g} seconds.", "Give a number above 0.")
    sha256, began = video_sha256(path), video_taken_at(path)
    name = path.name.encode("utf-8", "replace").decode()
    if str(path).encode("utf-8", "replace").decode() != str(path):
        raise PhotoError(f"{name} cannot be opened as a video: its path is not UTF-8.", "Rename it.")
    video = _opened(path)
    try:
        if not video.isOpened():
            raise PhotoError(f"{name} is not a video that can be read.", "Save single frames of it as JPEG, or check the file.")
        _refuse_too_many_pixels(video, name, limits)
        for seconds, index, rgb in _wanted_frames(video, name, every_seconds):
            frame_sha256 = hashlib.sha256(f"{sha256}:{index}".encode()).hexdigest()
            taken_at = (datetime.fromisoformat(began) + timedelta(seconds=int(seconds))).isoformat() if began else None
            yield VideoFrame(seconds, Photo(rgb, frame_sha256, f"{name}, {seconds:.1f} s", path, taken_at))
    finally:
        video.release()


def is_video(path: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return path.suffix.lower() in VIDEO_EXTENSIONS


def video_sha256(path: Path) -> str:
    """Of the file's bytes, read in pieces: a video may be larger than memory; errors as of `frames`."""
    digest = hashlib.sha256()
    try:
        if not path.is_file():
            raise PhotoError(f"{path} is not a video file.", "Check the path.")
        if path.stat().st_size > _MOST_BYTES:
            raise PhotoError(f"{path} is too large: at most {_MOST_BYTES / 1e9:g} GB are read.", "Cut the video into parts.")
        with path.open("rb") as file:
            while piece := file.read(_READ):
                digest.update(piece)
    except OSError as error:
        raise PhotoError(f"{path} cannot be read: {error.strerror or error}.", _COPY_AGAIN) from None
    return digest.hexdigest()


def frame_count(path: Path, every_seconds: float) -> int:
    """About how many frames `frames` gives, as the container announces them; 0 where it does not."""
    video = _opened(path)
    try:
        rate, announced = video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_COUNT)
        return math.ceil(announced / rate / every_seconds) if 0 < rate < 1000 and announced > 0 else 0
    finally:
        video.release()


def _opened(path: Path) -> cv2.VideoCapture:
    silence_opencv()
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)  # turns frames upright by itself


def _wanted_frames(video: cv2.VideoCapture, name: str, every_seconds: float) -> Iterator[tuple[float, int, NDArray[np.uint8]]]:
    """Seconds, index and RGB of each frame to give."""
    rate, announced = video.get(cv2.CAP_PROP_FPS), int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = rate if 0 < rate < 1000 else 25.0
    index = given = 0
    while video.grab():
        if index / rate + 0.5 / rate >= given * every_seconds:
            decoded, bgr = video.retrieve()
            if not decoded or bgr is None:
                break
            yield index / rate, index, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            given += 1
        index += 1
    if not index:
        raise PhotoError(f"{name} holds no frame that can be decoded.", _COPY_AGAIN)
    # Containers round the number of frames; a video that was cut off lacks more than that.
    if announced > 0 and index < 0.9 * announced - 2:
        raise PhotoError(f"{name} is cut off: {index} of its {announced} frames can be decoded.", _COPY_AGAIN)


def _refuse_too_many_pixels(video: cv2.VideoCapture, name: str, limits: DecodeLimits) -> None:
    width, height = (int(video.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > limits.max_pixels:
        raise PhotoError(
            f"{name} is too large: its frames have {width:,} x {height:,} pixels, and at most {limits.max_pixels / 1e6:,.1f} million "
            "are decoded.",
            "Scale the video down.",
        )
