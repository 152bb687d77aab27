"""The scores of an audit that may be killed: one line for each photo, in the cache beside the gallery."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

_PREFIX = "audit-"


class ResultsFile:
    """Scores by photo and other photo. A kill, also in the midst of a line, loses at most the photo in hand.

    Attributes:
        scores: by sighting id of a photo that was compared, by sighting id of the other, the score.
        kept: whether they reach the disk; where the folder of the gallery cannot be written, they are in memory only.
    """

    def __init__(self, folder: Path, key: str) -> None:
        """Read what an earlier run with this key left; what runs with other keys left is deleted.

        Args:
            folder: the gallery's cache.
            key: of all that scores depend on, hex digits.
        """
        self._path = folder / f"{_PREFIX}{key[:32]}.jsonl"
        self.scores: dict[int, Mapping[int, float]] = {}
        self.kept = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._read()
            for stale in folder.glob(f"{_PREFIX}*.jsonl"):
                if stale != self._path:
                    stale.unlink(missing_ok=True)
        except OSError:
            self.kept = False

    def add(self, photo: int, scores: Mapping[int, float]) -> None:
        """Keep the scores of a photo."""
        self.scores[photo] = dict(scores)
        if self.kept:
            line = json.dumps({"photo": photo, "scores": {str(other): score for other, score in scores.items()}})
            try:
                # One write a line: two audits of one gallery at a time spoil no line of each other.
                with self._path.open("ab", buffering=0) as file:
                    file.write(f"{line}\n".encode())
            except OSError:
                self.kept = False

    def _read(self) -> None:
        """The whole lines; the file is cut after the last of them."""
        whole = 0
        with contextlib.suppress(FileNotFoundError):
            for line in self._path.read_bytes().splitlines(keepends=True):
                try:
                    if not line.endswith(b"\n"):
                        raise ValueError("the write of this line was cut off")
                    entry = json.loads(line)
                    self.scores[int(entry["photo"])] = {int(other): float(score) for other, score in entry["scores"].items()}
                except (ValueError, TypeError, KeyError, AttributeError):
                    with self._path.open("r+b") as file:
                        file.truncate(whole)
                    return
                whole += len(line)
