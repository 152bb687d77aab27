"""What was measured of a network on a device of this machine, kept beside the engines, so that no start measures it again.

A record (JSON) lies under the key of everything that it depends on: the ONNX file, the library, the GPU or processor, the driver, the
sizes. Records only save time: where one cannot be read or written, the measurement is made again, and nothing is reported.
"""

from __future__ import annotations

import contextlib
import json
import platform
from pathlib import Path
from typing import Any

from reid_edge.engines.engine_cache import EngineKey, default_engine_folder
from reid_edge.storage.durable import replacing

_LARGEST_RECORD = 1 << 20


class Measured:
    """The records of this machine.

    Attributes:
        folder: where they lie.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_engine_folder()) / "measured"

    def read(self, key: EngineKey) -> dict[str, Any]:
        """What is known of this network on this device; empty where nothing is."""
        path = self._path(key)
        try:
            if path.stat().st_size > _LARGEST_RECORD:
                return {}
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        facts = record.get("facts") if isinstance(record, dict) else None
        return facts if isinstance(facts, dict) else {}

    def note(self, key: EngineKey, **facts: Any) -> None:
        """Add facts to the record; nothing happens where the folder cannot be written."""
        record = {"key": key.facts(), "facts": {**self.read(key), **facts}}
        with contextlib.suppress(OSError):
            self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.mkdir(exist_ok=True, mode=0o700)
            with replacing(self._path(key)) as file:
                file.write(json.dumps(record, indent=1, sort_keys=True).encode())

    def forget(self, key: EngineKey) -> None:
        """Remove the record, of an engine that answers wrongly for instance."""
        with contextlib.suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: EngineKey) -> Path:
        return self.folder / f"{key.digest}.json"


def processor_name() -> str:
    """The processor as the system names it; what a record of a device without a GPU depends on."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
