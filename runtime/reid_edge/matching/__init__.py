"""Match the keypoints of a query with those of candidates: one module per matcher, one result type."""

from reid_edge.matching.lightglue import match_lightglue
from reid_edge.matching.matches import Matches
from reid_edge.matching.mutual_nearest import match_mutual_nearest

__all__ = ["Matches", "match_lightglue", "match_mutual_nearest"]
