"""The stages that a recipe may name, in the order in which they run: from a photo to features, scores and an answer.

The fields are the keys of the recipe, and their types and rules are what it is checked against. A key that is left out switches something
off; there are no other defaults.
"""

from reid_edge.recipe.stages.comparing import EarlyExit, Geometry, Head, Match, Rerank, Retrieve
from reid_edge.recipe.stages.deciding import Agree, Decide, Fuse, Gate, Group, Step
from reid_edge.recipe.stages.describing import Concatenate, Embed, Extract, Orient, Segment, Viewpoint

__all__ = [
    "Agree",
    "Concatenate",
    "Decide",
    "EarlyExit",
    "Embed",
    "Extract",
    "Fuse",
    "Gate",
    "Geometry",
    "Group",
    "Head",
    "Match",
    "Orient",
    "Rerank",
    "Retrieve",
    "Segment",
    "Step",
    "Viewpoint",
]
