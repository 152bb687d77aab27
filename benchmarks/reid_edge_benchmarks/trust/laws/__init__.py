"""The laws, in the order in which the page lists them."""

from reid_edge_benchmarks.trust.laws import (
    far_individuals,
    growth,
    near_copies,
    not_computed,
    rearranged,
    small_galleries,
    two_names,
)
from reid_edge_benchmarks.trust.laws.law import Law

LAWS: tuple[Law, ...] = tuple(
    module.LAW for module in (near_copies, not_computed, two_names, far_individuals, rearranged, small_galleries, growth)
)

__all__ = ["LAWS", "Law"]
