"""All commands of `reid-edge gallery`: each module adds its own to the group."""

from reid_edge.cli import (
    gallery_add,
    gallery_audit,
    gallery_corrections,
    gallery_pairs,
    gallery_portable,
    gallery_review,
    gallery_sync,
    gallery_upkeep,
)
from reid_edge.cli.gallery import gallery

__all__ = [
    "gallery",
    "gallery_add",
    "gallery_audit",
    "gallery_corrections",
    "gallery_pairs",
    "gallery_portable",
    "gallery_review",
    "gallery_sync",
    "gallery_upkeep",
]
