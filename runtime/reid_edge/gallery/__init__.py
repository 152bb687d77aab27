"""The catalogue of known individuals: one SQLite file, searched exactly, where every decision can be undone."""

from reid_edge.gallery.features import LeftOut
from reid_edge.gallery.pair_answers import NewPairAnswer, PairAnswer, PairConflict
from reid_edge.gallery.records import Event, Individual, NewSighting, Sighting
from reid_edge.gallery.review_records import NewReview, Review, ReviewConflict, SightingToEnrol
from reid_edge.gallery.store import DuplicateSighting, Gallery
from reid_edge.gallery.unchanged import StateConflict

__all__ = [
    "DuplicateSighting",
    "Event",
    "Gallery",
    "Individual",
    "LeftOut",
    "NewPairAnswer",
    "NewReview",
    "NewSighting",
    "PairAnswer",
    "PairConflict",
    "Review",
    "ReviewConflict",
    "Sighting",
    "SightingToEnrol",
    "StateConflict",
]
