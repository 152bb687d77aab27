"""The commands that correct a gallery as a finding suggests, ready to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

from reid_edge.gallery import Sighting
from reid_edge.storage.address import Place


def merge_command(source: str, into: str, gallery: Place) -> str:
    """Moves all sightings of one individual to another."""
    return _typed("merge", [source], into, gallery)


def split_command(sightings: Sequence[Sighting], into: str, gallery: Place) -> str:
    """Moves sightings of one individual to a new one."""
    return _typed("split", [sightings[0].identity, *(str(each.id) for each in sightings)], into, gallery)


def free_name(name: str, taken: Collection[str]) -> str:
    """A name that no individual has: `name (2)`, `name (3)`, ..."""
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"


def _typed(command: str, arguments: list[str], into: str, gallery: Place) -> str:
    options = ["--into", into, "--gallery", str(gallery)]
    # A name that begins with a dash would be read as an option.
    with_dash = any(argument.startswith("-") for argument in arguments)
    parts = [*options, "--", *arguments] if with_dash else [*arguments, *options]
    return shlex.join(["reid-edge", "gallery", command, *parts])
