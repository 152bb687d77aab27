"""Who decides at this computer: a name that is asked once and kept in the user's configuration."""

from __future__ import annotations

import os
from pathlib import Path

from reid_edge.errors import StorageError
from reid_edge.gallery.records import person_name
from reid_edge.storage.durable import make_folder, replacing
from reid_edge.storage.errors import file_errors

VARIABLE = "REID_EDGE_PERSON"


def person_file() -> Path:
    """$REID_EDGE_HOME/person, or ~/.config/reid-edge/person ($XDG_CONFIG_HOME)."""
    if home := os.environ.get("REID_EDGE_HOME"):
        return Path(home) / "person"
    try:
        folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:
        raise StorageError("This user has no home directory to keep a name in.", f"Set {VARIABLE} to your name.") from None
    return Path(folder) / "reid-edge/person"


def stored_person() -> str:
    """The person's name: $REID_EDGE_PERSON, else the stored one; '' where nobody was asked yet.

    Raises:
        UsageError: $REID_EDGE_PERSON cannot be a name. StorageError: the stored name cannot be read.
    """
    if given := os.environ.get(VARIABLE, "").strip():
        return person_name(given)
    path = person_file()
    with file_errors(path):
        return path.read_text("utf-8", "replace").strip() if path.is_file() else ""


def store_person(name: str) -> str:
    """Keep the person's name for later; returns it as it is stored.

    Raises:
        UsageError: it cannot be a name. StorageError: it cannot be written.
    """
    name, path = person_name(name), person_file()
    with file_errors(path):
        make_folder(path.parent)
        with replacing(path) as file:
            file.write(f"{name}\n".encode())
    return name
