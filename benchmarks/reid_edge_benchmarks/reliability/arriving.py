"""Photos on their way into a folder: as a camera writes them, as a copy program does, renamed in, or all at once."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterable
from pathlib import Path


def lay(folder: Path, contents: Iterable[bytes], prefix: str = "IMG") -> dict[bytes, bytes]:
    """Write photos as they are, all at once; returns the content by path."""
    folder.mkdir(parents=True, exist_ok=True)
    put_in = {}
    for number, content in enumerate(contents):
        path = folder / f"{prefix}_{number:05d}.JPG"
        path.write_bytes(content)
        put_in[os.fsencode(path)] = content
    return put_in


def arrive(path: Path, content: bytes, generator: random.Random) -> None:
    """Write one photo in one of the ways that photos arrive."""
    path.parent.mkdir(parents=True, exist_ok=True)
    way = generator.choice(["whole", "parts", "renamed in"])
    if way == "whole":
        path.write_bytes(content)
    elif way == "renamed in":
        hidden = path.with_name(f".{path.name}.part")
        hidden.write_bytes(content)
        hidden.rename(path)
    else:
        slowly(path, content, generator.randint(2, 4), generator.uniform(0.0, 0.02))


def slowly(path: Path, content: bytes, parts: int, pause: float) -> None:
    """Append a photo in parts with a pause between two of them."""
    size = -(-len(content) // parts)
    with path.open("wb") as file:
        for begin in range(0, len(content), size):
            if begin:
                time.sleep(pause)
            file.write(content[begin : begin + size])
            file.flush()


class Arrivals(threading.Thread):
    """Photos that arrive one after the other while something else goes on.

    Args:
        folder: gets a sub-folder per camera.
        contents: per camera its photos in order.
        seconds: over which they arrive.
    """

    def __init__(self, folder: Path, contents: dict[str, list[bytes]], seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        self._generator = random.Random(seed)
        self._waiting = [
            (folder / camera / f"IMG_{number:05d}.JPG", content)
            for camera, photos in contents.items()
            for number, content in enumerate(photos)
        ]
        self._generator.shuffle(self._waiting)
        self._pause = seconds / max(1, len(self._waiting))
        self._hurry = threading.Event()
        self.put_in: dict[bytes, bytes] = {}

    def run(self) -> None:
        """Let them arrive."""
        for path, content in self._waiting:
            arrive(path, content, self._generator)
            self.put_in[os.fsencode(path)] = content
            if not self._hurry.is_set():
                time.sleep(self._generator.uniform(0.0, 2 * self._pause))

    def finish(self) -> dict[bytes, bytes]:
        """Let the rest arrive at once; returns the content by path."""
        self._hurry.set()
        self.join()
        return self.put_in
