"""What a trained head names: the individuals of its probabilities and the layout of its features, in ``heads/NETWORK.json`` of a pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reid_edge.errors import PackError
from reid_edge.pack.members import nearest

FORMAT_VERSION = 1
_HINT = "Train the head again: reid-edge train-head."
_FOR_ALL = ("format_version", "identities", "embedding_dimension")
_FOR_BOOSTING = ("neighbours", "viewpoints", "species")


@dataclass(frozen=True)
class Labels:
    """The labels of one head.

    Attributes:
        identities: C names, in the order of the head's probabilities.
        dimension: D, values of the vector that it takes.
        neighbours: of boosting, how many nearest gallery photos its features tell of; 0 for a classifier.
        viewpoints: of boosting, the one-hot viewpoints, in lower case.
        species: of boosting, the one-hot species, in lower case.
    """

    identities: tuple[str, ...]
    dimension: int
    neighbours: int = 0
    viewpoints: tuple[str, ...] = ()
    species: tuple[str, ...] = ()


def labels_file(network: str) -> str:
    """The path in the pack of the labels of a head's network."""
    return f"heads/{network}.json"


def parse_labels(data: object, kind: Literal["classifier", "boosting"], where: str) -> Labels:
    """Read labels strictly: an unknown key, a missing one, a wrong type or a name that is there twice refuses them.

    Args:
        data: the JSON: ``{"format_version": 1, "identities": [...], "embedding_dimension": D}``, and for boosting
            ``"neighbours"``, ``"viewpoints"`` and ``"species"`` besides.
        kind: of the head, as the recipe says it.
        where: the path of the file, for errors.

    Raises:
        PackError: with the key that is wrong.
    """
    wanted = (*_FOR_ALL, *_FOR_BOOSTING) if kind == "boosting" else _FOR_ALL
    if not isinstance(data, dict):
        raise PackError(f"{where} must be a table of the labels of a head.", _HINT)
    for key in data:
        if key not in wanted:
            raise PackError(f"{where}: {str(key)[:80]!r} is an unknown key of a {kind}; {nearest(str(key), wanted)}.", _HINT)
    for key in wanted:
        if key not in data:
            raise PackError(f"{where}: {key} is missing; a {kind} needs it.", _HINT)
    if data["format_version"] is True or data["format_version"] != FORMAT_VERSION:
        raise PackError(
            f"{where}: format_version is {str(data['format_version'])[:40]}, this program reads {FORMAT_VERSION}.",
            "Update reid-edge.",
        )
    identities = _names(data, "identities", where)
    if not identities:
        raise PackError(f"{where}: identities must name one individual or more.", _HINT)
    dimension = _count(data, "embedding_dimension", where)
    if kind == "classifier":
        return Labels(identities, dimension)
    viewpoints, species = (
        tuple(name.lower() for name in _names(data, key, where, fold=True)) for key in ("viewpoints", "species")
    )
    return Labels(identities, dimension, _count(data, "neighbours", where), viewpoints, species)


def _names(data: Mapping[str, object], key: str, where: str, fold: bool = False) -> tuple[str, ...]:
    names = data[key]
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise PackError(f"{where}: {key} must be a list of names.", _HINT)
    if len({name.casefold() if fold else name for name in names}) < len(names):
        raise PackError(f"{where}: {key} has a name twice.", _HINT)
    return tuple(names)


def _count(data: Mapping[str, object], key: str, where: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise PackError(f"{where}: {key} must be an integer from 1 to 1000000, not {str(value)[:40]!r}.", _HINT)
    return value
