"""One photo, one answer for each of its animals: the whole forward path from pixels to decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial

import cv2

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer, MayStop
from reid_edge.compare.fused_reranking import GalleryNeighbours
from reid_edge.compare.gallery_pairs import pair_score_count
from reid_edge.compare.selection import Selection
from reid_edge.decide.calibration import CalibrationModel, Entry, read_calibration
from reid_edge.decide.consensus import fused_by_name
from reid_edge.decide.decision import Decision
from reid_edge.decide.doubles import as_one, find_doubles, judge_doubles
from reid_edge.decide.doubt import DoubtCheck, is_left_out, without_score
from reid_edge.decide.early_exit import EarlyExitCheck
from reid_edge.decide.facts import AnimalFacts, EngineFacts, PackFacts, PhotoFacts, Thresholds, random_warning
from reid_edge.decide.fitted import open_values
from reid_edge.decide.ranking import Ranker
from reid_edge.decide.verdict import judge
from reid_edge.describe.description import DescribedAnimal, Describer
from reid_edge.describe.query import Query
from reid_edge.describe.viewpoint import ViewpointPredictor, completed
from reid_edge.engines.networks import Networks
from reid_edge.errors import PackError
from reid_edge.gallery import Gallery
from reid_edge.gallery.records import Observation
from reid_edge.gallery.time_place import OFF, SeenBefore, seen_before
from reid_edge.pack import Pack
from reid_edge.photo import Photo
from reid_edge.recipe import Recipe, parse_recipe
from reid_edge.timings import Timings

CALIBRATION = "calibration/scores.json"


class Identifier:
    """A pack ready to answer: its recipe, its networks on one device, its calibration."""

    def __init__(self, pack: Pack, device: str = "auto", threads: int | None = None) -> None:
        """Read the recipe and choose the device; networks load when the first photo needs them.

        Raises:
            PackError: the recipe is broken.
            UsageError, EngineError: see `reid_edge.engines.select_device`.
        """
        self.pack = pack
        self.recipe: Recipe = parse_recipe(pack.recipe, pack.manifest)
        self.networks = Networks(pack, self.recipe, device, threads)
        self._comparer: Callable[[GalleryCandidates], Comparer] | None = None
        self._for_many_photos: Identifier | None = None
        cv2.setNumThreads(self.networks.device.threads)

    @cached_property
    def calibration(self) -> CalibrationModel:
        """The pack's calibrators, weights and thresholds.

        Raises:
            PackError: the pack has none, or it is broken or made for other scores.
        """
        if CALIBRATION not in {file.path for file in self.pack.manifest.files}:
            raise PackError(
                f"The pack {self.pack.manifest.name} is not calibrated.", "Run: reid-edge calibrate METADATA.csv --pack ..."
            )
        model = read_calibration(self.pack.read_bytes(CALIBRATION), CALIBRATION)
        if model.scores != self.recipe.score_names:
            raise PackError(
                f"{CALIBRATION} is made for the scores {', '.join(model.scores)}, the recipe has {', '.join(self.recipe.score_names)}.",
                "Calibrate the pack again.",
            )
        known = {value.key for value in open_values(self.recipe)}
        if any(key not in known for entry in (*model.species.values(), model.generic) for key in entry.fitted):
            raise PackError(f"{CALIBRATION} is made for other steps than the recipe's.", "Calibrate the pack again.")
        others = tuple(name for name in model.scores if name != self.recipe.costly_score)
        if self.recipe.costly_score and (model.before is None or model.before.scores != others):
            raise PackError(
                f"{CALIBRATION} does not say what is clear without the score {self.recipe.costly_score}.",
                "Calibrate the pack again.",
            )
        return model

    @property
    def feature_key(self) -> str:
        """What a gallery's features are tied to: the networks and parameters that make them, not the calibration."""
        return self.pack.feature_key(self.recipe.feature_networks, self.recipe.feature_settings())

    @property
    def pair_key(self) -> str:
        """What scores of pairs of gallery photos are tied to: all that the features are, shortlists and matchers."""
        recipe = self.recipe
        networks = (*recipe.feature_networks, *(match.network for match in recipe.match if match.network))
        compared = {"retrieve": repr((recipe.retrieve, *recipe.retrieve_also)), "match": repr(recipe.match)}
        if recipe.ordering_fusions:
            compared["order"] = repr(recipe.ordering_fusions)
        return self.pack.feature_key(tuple(dict.fromkeys(networks)), {**recipe.feature_settings(), **compared})

    def neighbours(self, candidates: GalleryCandidates, entry: Entry) -> GalleryNeighbours | None:
        """What re-ranking by a fusion needs; None where the recipe has none."""
        if not any(stage.fusion for stage in self.recipe.rerank):
            return None
        pairs = candidates.pair_scores(self.pair_key, pair_score_count(self.recipe))
        return GalleryNeighbours(pairs, partial(fused_by_name, self.recipe, entry))

    def comparing_with(self, comparer: Callable[[GalleryCandidates], Comparer]) -> Identifier:
        """The same, with another comparer of a gallery: one that keeps matches, where one animal is asked about in many galleries."""
        other = copy(self)
        other._comparer, other._for_many_photos = comparer, None
        return other

    def for_many_photos(self) -> Identifier:
        """The same, for several threads that each describe a photo: its networks run in one thread each. Made once."""
        networks = self.networks.for_several_runs()
        if networks is self.networks:
            return self
        if self._for_many_photos is None:
            self._for_many_photos = copy(self)
            self._for_many_photos.networks = networks
        return self._for_many_photos

    def candidates(self, gallery: Gallery) -> GalleryCandidates:
        """The gallery, seen through this pack: its features, and the viewpoints that this pack predicts of its photos.

        Raises:
            GalleryError: the gallery cannot be read.
        """
        predictor, any_view = ViewpointPredictor.of(self.recipe, self.networks), self.recipe.retrieve.any_view
        return GalleryCandidates(gallery, self.feature_key, predictor, any_view, self.networks.device.threads)

    def describe(
        self,
        photo: Photo,
        query: Query | None = None,
        timings: Timings | None = None,
        largest_only: bool = False,
        skip_empty: bool = False,
    ) -> list[DescribedAnimal]:
        """The animals of a photo with their features, see `reid_edge.describe.description.Describer`."""
        describer = Describer(self.recipe, self.networks)
        return describer.describe(photo, query or Query(), timings or Timings(), largest_only, skip_empty)

    def identify(
        self, photo: Photo, candidates: GalleryCandidates, query: Query | None = None, timings: Timings | None = None
    ) -> list[Decision]:
        """Answer for each animal of a photo, largest first.

        Args:
            photo: upright.
            candidates: the gallery, seen through this pack.
            query: what is known beside the photo.
            timings: may already hold stages (``decode``); gets all others.

        Raises:
            EngineError: a network failed.
            GalleryError: the gallery cannot be read.
        """
        selection, timings = candidates.select(query or Query()), timings or Timings()
        return self.answer(photo, self.describe(photo, selection.query, timings), candidates, selection, timings)

    def answer(
        self,
        photo: Photo,
        animals: Sequence[DescribedAnimal],
        candidates: GalleryCandidates,
        selection: Selection,
        timings: Timings,
    ) -> list[Decision]:
        """The second half of `identify`, for animals that `describe` returned; `selection` is what `candidates.select` chose."""
        answers = [self._answer(photo, animal, candidates, selection, timings) for animal in animals]
        # Timings belong to the whole photo, so every answer gets them once all are known.
        return [replace(answer, timings_ms=dict(timings.milliseconds)) for answer in answers]

    def _answer(
        self,
        photo: Photo,
        described: DescribedAnimal,
        candidates: GalleryCandidates,
        selection: Selection,
        timings: Timings,
    ) -> Decision:
        query = completed(selection.query, described.viewpoint)
        if rejected := candidates.rejected(photo.sha256, described.animal.index, described.animal.box):
            query = replace(query, excluded=(*query.excluded, *rejected))
        if query is not selection.query:
            selection = candidates.select(query)
        recipe, query = self.recipe, selection.query
        entry, calibration = self.calibration.entry(query.species)
        quality = None if recipe.fuse else described.quality
        before = _seen_before(photo, query, candidates, entry)
        ranker = Ranker(candidates, entry, quality, recipe, query.species, before.log_odds)
        may_stop: MayStop | None = EarlyExitCheck(ranker, recipe.early_exit.tolerance) if recipe.early_exit else None
        if recipe.costly_score and self.calibration.before:
            cheap, _ = self.calibration.before.entry(query.species)
            may_stop = DoubtCheck(replace(ranker, entry=cheap))
        comparer = self._comparer(candidates) if self._comparer else Comparer(recipe, self.networks, candidates)
        comparer = replace(comparer, neighbours=self.neighbours(candidates, entry))
        comparison = comparer.compare(described.features, selection, timings, may_stop)
        with timings.stage("decide"):
            if isinstance(may_stop, DoubtCheck) and is_left_out(comparison, recipe.costly_score):
                comparison, ranker, entry = without_score(comparison, recipe.costly_score), may_stop.ranker, may_stop.ranker.entry
            ranking = ranker.rank(comparison)
            ambiguity = selection.ambiguity_reason(described.animal.found)
            judgement = judge(ranking, entry, selection.nothing_to_compare, selection.may_be_known, ambiguity)
            if doubles := find_doubles(ranking, recipe):
                together = ranker.rank(as_one(comparison, doubles, recipe))
                if together.scores.identities[0] == doubles[0]:
                    ranking, judgement = together, judge_doubles(judgement, together, doubles)
                else:  # somebody else is nearer to the animal than both names together
                    doubles = ()
            matched = candidates if query.with_evidence else None
            ranked = ranking.ranked(query.top, described.features, matched, recipe.match)
            return Decision(
                verdict=judgement.verdict,
                identity=judgement.identity,
                probability=judgement.probability,
                unknown=ranking.unknown,
                reason=judgement.reason,
                ranking=ranked,
                thresholds=Thresholds.of(entry),
                calibration=calibration,
                photo=PhotoFacts.of(photo),
                animal=AnimalFacts.of(described, query.with_evidence),
                recipe=self.pack.manifest.name,
                pack=PackFacts.of(self.pack),
                engine=EngineFacts.of(self.networks[recipe.networks[0]].engine.provenance),
                timings_ms={},
                warnings=(
                    *filter(None, (random_warning(self.pack),)),
                    *photo.warnings,
                    *described.warnings,
                    *selection.warnings,
                    *comparison.warnings,
                    *_duplicate(photo, candidates),
                    *(
                        f"{each.identity} was {before.remarks[each.identity]}."
                        for each in ranked
                        if each.identity in before.remarks
                    ),
                    *filter(None, (before.missing,)),
                ),
                same_as=doubles,
            )


def _seen_before(photo: Photo, query: Query, candidates: GalleryCandidates, entry: Entry) -> SeenBefore:
    """What time and place say of the gallery's individuals, by the calibration or by what the caller states."""
    model = entry.time_place or OFF
    if query.max_speed is not None:
        model = replace(model, max_speed=query.max_speed)
    if not model:
        return SeenBefore({}, {})
    seen = Observation(
        photo_sha256=photo.sha256,
        identity="",
        taken_at=photo.taken_at or "",
        latitude=photo.latitude,
        longitude=photo.longitude,
        place=query.place,
    )
    return seen_before(model, seen, candidates.times_and_places)


def _duplicate(photo: Photo, candidates: GalleryCandidates) -> tuple[str, ...]:
    """A warning where the gallery holds this very photo."""
    identity = candidates.holds_photo(photo.sha256)
    return (f"This very photo is in the gallery, as {identity}.",) if identity else ()
