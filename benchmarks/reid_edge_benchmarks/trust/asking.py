"""One query photo, described once and compared with one gallery after another; what was matched once is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reid_edge.compare.comparison import Comparer, Comparison, MatchKey
from reid_edge.compare.matching import Matches
from reid_edge.decide.decision import Decision
from reid_edge.describe.description import DescribedAnimal
from reid_edge.describe.query import Query
from reid_edge.describe.viewpoint import completed
from reid_edge.gallery.enrolment_list import Enrolment
from reid_edge.identify.identifier import Identifier
from reid_edge.photo import Photo, read_photo
from reid_edge.recipe import Match
from reid_edge.timings import Timings
from reid_edge_benchmarks.trust.catalogue import Catalogue
from reid_edge_benchmarks.trust.views import GalleryView


@dataclass(frozen=True)
class HidingComparer(Comparer):
    """A comparer that does not look at some individuals in some of its stages.

    Attributes:
        hidden: by the name of a stage, the individuals that it does not look at.
    """

    hidden: Mapping[str, Collection[str]] = field(default_factory=dict)

    def _rows_to_match(self, match: Match, comparison: Comparison) -> list[int]:
        hidden = self.hidden.get(match.name, ())
        return [row for row in super()._rows_to_match(match, comparison) if comparison.owners[row] not in hidden]


class AskedQuery:
    """One query photo of a labelled set.

    Attributes:
        query: the photo, and whom it shows.
        number: of the query within its set.
        catalogue: what it is compared with.
    """

    def __init__(self, query: Enrolment, number: int, catalogue: Catalogue, identifier: Identifier) -> None:
        """Nothing is read yet.

        Args:
            query, number, catalogue: see the attributes.
            identifier: the pack.
        """
        self.query, self.number, self.catalogue = query, number, catalogue
        self._identifier = identifier
        self._facts = Query(catalogue.labelled.species, query.viewpoint, top=len(catalogue.with_copies))
        self._kept: dict[str, dict[MatchKey, Matches]] = {}

    @cached_property
    def photo(self) -> Photo:
        """Of the query.

        Raises:
            PhotoError: it cannot be read.
        """
        return read_photo(self.query.path)

    @cached_property
    def animals(self) -> list[DescribedAnimal]:
        """Its largest animal.

        Raises:
            PhotoError, EngineError: it cannot be described.
        """
        facts = self.catalogue.whole.select(self._facts).query
        return self._identifier.describe(self.photo, facts, largest_only=True)

    @property
    def truth(self) -> str:
        """Whom it shows."""
        return self.query.identity

    @property
    def is_known(self) -> bool:
        """Whether the catalogue holds that individual."""
        return self.truth in self.catalogue.whole.owners.values()

    @property
    def expensive_stages(self) -> list[str]:
        """The matching stages that look at the best individuals only."""
        return [match.name for match in self._identifier.recipe.match if match.best]

    @cached_property
    def whole(self) -> Decision:
        """The answer from the whole catalogue."""
        return self.answer(self.catalogue.whole)

    def random(self, law: int) -> np.random.Generator:
        """The chance of one law for this query, the same in each run."""
        return np.random.default_rng([law, self.number])

    def answer(self, view: GalleryView, hidden: Mapping[str, Collection[str]] | None = None) -> Decision:
        """What the runtime answers from this view.

        Args:
            view: the gallery.
            hidden: see `HidingComparer`.
        """

        def comparer(candidates: object) -> Comparer:
            return self._comparer(view, hidden or {})

        identifier, selection = self._identifier.comparing_with(comparer), view.select(self._facts)
        return identifier.answer(self.photo, self.animals, view, selection, Timings())[0]

    def compare(self, view: GalleryView) -> Comparison:
        """The raw scores from this view."""
        (animal,) = self.animals
        selection = view.select(completed(self._facts, animal.viewpoint))
        return self._comparer(view, {}).compare(animal.features, selection, Timings())

    def _comparer(self, view: GalleryView, hidden: Mapping[str, Collection[str]]) -> Comparer:
        # Sighting ids mean the same in all views of one gallery.
        kept = self._kept.setdefault(str(view.path), {})
        return HidingComparer(self._identifier.recipe, self._identifier.networks, view, kept, hidden=hidden)
