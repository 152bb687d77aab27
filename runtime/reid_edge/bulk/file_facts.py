"""What a photo's file looks like from outside, so that a run that is repeated does not read it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class FileFacts:
    """A file, and what was asked of it.

    Attributes:
        path: absolute.
        size: bytes; -1 where it cannot be looked at.
        modified_ns: nanoseconds since 1970.
        task: 32 hex digits that differ where the file or the question does.
    """

    path: str
    size: int
    modified_ns: int
    task: str

    @classmethod
    def of(cls, path: Path, question: Any = None) -> FileFacts:
        """Of a file as it is now.

        Args:
            path: of the file.
            question: what is asked of it, as JSON.
        """
        path = path.absolute()
        try:
            status = path.stat()
            size, modified = status.st_size, status.st_mtime_ns
        except OSError:
            size, modified = -1, 0
        text = json.dumps([str(path), size, modified, question], default=str)
        return cls(str(path).encode("utf-8", "replace").decode(), size, modified, hashlib.sha256(text.encode()).hexdigest()[:32])

    def as_row(self) -> dict[str, Any]:
        """The first columns of a row of results."""
        return {"path": self.path, "file_size": self.size, "file_modified_ns": self.modified_ns, "task": self.task}
