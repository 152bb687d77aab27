"""Score the photos of a gallery against each other, as re-ranking by a fusion needs it: each photo is asked for in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from reid_edge.compare.candidates import GalleryCandidates
from reid_edge.compare.comparison import Comparer
from reid_edge.describe.query import Query
from reid_edge.engines.networks import Networks
from reid_edge.gallery.pair_scores import PairScoreFile, PhotoPairs
from reid_edge.recipe import Recipe
from reid_edge.recipe.species import applies_to
from reid_edge.storage.locks import lock_file
from reid_edge.timings import Timings

Progress = Callable[[list[int], str], Iterable[int]]


def pair_score_count(recipe: Recipe) -> int:
    """How many of a recipe's scores are kept of a pair of gallery photos: those of vectors and matchers, which come first."""
    return len(recipe.embedding_names) + len(recipe.match)


def photos_to_score(recipe: Recipe, candidates: GalleryCandidates) -> list[int]:
    """The sightings of a species that is re-ranked by a fusion."""
    stages = [stage for stage in recipe.rerank if stage.fusion]
    ids = candidates.sighting_ids()
    return [each for each in ids if any(applies_to(stage.species, candidates.species_of(each)) for stage in stages)]


def score_gallery_pairs(
    recipe: Recipe, networks: Networks, candidates: GalleryCandidates, file: PairScoreFile, progress: Progress
) -> int:
    """Score every photo that has no record yet against its shortlist of the other photos.

    Args:
        recipe: with a re-ranking by a fusion.
        networks: of the pack.
        candidates: the gallery, seen through it.
        file: gets a record per photo.
        progress: told of the photos that are left.

    Returns:
        How many photos were scored.

    Raises:
        GalleryError, EngineError, StorageError: it cannot go on; what was scored is kept.
    """
    comparer = Comparer(replace(recipe, rerank=(), head=(), early_exit=None), networks, candidates)
    file.path.parent.mkdir(parents=True, exist_ok=True)
    with lock_file(file.path.with_suffix(".lock")):
        file.make_ready()
        scored = file.read()
        remaining = [each for each in photos_to_score(recipe, candidates) if each not in scored]
        columns = pair_score_count(recipe)
        for each in progress(remaining, "Scoring pairs of gallery photos"):
            seen = candidates.sighting(each)
            selection = candidates.select(Query(species=seen.species, viewpoint=seen.viewpoint))
            everybody = np.array(candidates.sighting_ids(), np.int64) if selection.ids is None else selection.ids
            others = replace(selection, ids=everybody[everybody != each])
            found = comparer.compare(candidates.features(each, recipe), others, Timings())
            file.append(each, PhotoPairs(found.sighting_ids, found.raw[:, :columns].astype(np.float32)))
    return len(remaining)
