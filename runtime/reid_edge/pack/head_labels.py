"""What a trained head names, individuals or viewpoints, and the layout of its features, in ``heads/NETWORK.json`` of a pack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from reid_edge.errors import PackError
from reid_edge.plain_data import InvalidValue, Pattern, Range, Then, decode

FORMAT_VERSION = 1
_HINT = "Train the head again: reid-edge train-head."


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


@dataclass(frozen=True)
class ViewpointLabels:
    """The labels of a viewpoint head.

    Attributes:
        viewpoints: C names in lower case, two or more, in the order of the head's probabilities.
        dimension: values of the vector that it takes, twice those of an embedding.
    """

    viewpoints: tuple[str, ...]
    dimension: int


def labels_file(network: str) -> str:
    """The path in the pack of the labels of a head's network."""
    return f"heads/{network}.json"


def parse_labels(data: object, kind: Literal["classifier", "boosting"], where: str) -> Labels:
    """Read labels strictly: an unknown key, a missing one, a wrong type or a repeated name refuses them.

    Args:
        data: the JSON: ``{"format_version": 1, "identities": [...], "embedding_dimension": D}``, and for boosting
            ``"neighbours"``, ``"viewpoints"`` and ``"species"`` besides.
        kind: of the head, as the recipe says it.
        where: the path of the file, for errors.

    Raises:
        PackError: with the key that is wrong.
    """
    try:
        if kind == "classifier":
            classifier = decode(_Classifier, data)
            return Labels(classifier.identities, classifier.embedding_dimension)
        boosting = decode(_Boosting, data)
    except InvalidValue as error:
        raise PackError(f"{where}: {error}.", error.hint or _HINT) from None
    return Labels(boosting.identities, boosting.embedding_dimension, boosting.neighbours, boosting.viewpoints, boosting.species)


def parse_viewpoint_labels(data: object, where: str) -> ViewpointLabels:
    """Read the labels of a viewpoint head as strictly as `parse_labels`.

    Args:
        data: the JSON: ``{"format_version": 1, "viewpoints": [...], "input_dimension": D}``.
        where: the path of the file, for errors.

    Raises:
        PackError: with the key that is wrong.
    """
    try:
        read = decode(_Viewpoint, data)
    except InvalidValue as error:
        raise PackError(f"{where}: {error}.", error.hint or _HINT) from None
    return ViewpointLabels(read.viewpoints, read.input_dimension)


def _check_version(version: int) -> int:
    if version != FORMAT_VERSION:
        raise InvalidValue(f"is {version}, this program reads {FORMAT_VERSION}", "Update reid-edge.")
    return version


def _each_once(change: Callable[[str], str], least: int = 0) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Names that differ as they are changed."""

    def check(names: tuple[str, ...]) -> tuple[str, ...]:
        if len(names) < least:
            raise InvalidValue("must name one individual or more" if least == 1 else f"must have {least} names or more")
        if len(set(map(change, names))) < len(names):
            raise InvalidValue("has a name twice")
        return names

    return check


_Name: TypeAlias = Annotated[str, Pattern(r"(?s).*\S.*", "a name", printable=False)]
_Category: TypeAlias = Annotated[_Name, Then(str.lower)]
_Categories: TypeAlias = Annotated[tuple[_Category, ...], Then(_each_once(str.casefold))]
_Count: TypeAlias = Annotated[int, Range(1, 1_000_000)]


@dataclass(frozen=True)
class _Classifier:
    format_version: Annotated[int, Then(_check_version)]
    identities: Annotated[tuple[_Name, ...], Then(_each_once(str, least=1))]
    embedding_dimension: _Count


@dataclass(frozen=True)
class _Boosting(_Classifier):
    neighbours: _Count
    viewpoints: _Categories
    species: _Categories


@dataclass(frozen=True)
class _Viewpoint:
    format_version: Annotated[int, Then(_check_version)]
    viewpoints: Annotated[tuple[_Category, ...], Then(_each_once(str.casefold, least=2))]
    input_dimension: _Count
