"""Tables of a calibration file that have one value per pair score, in the order of the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from reid_edge.plain_data import Keys, Range

PER_SCORE = Keys(lambda scores: scores)  # the names in `scores` of the file are the context in which the rest of it is read
Weight: TypeAlias = Annotated[float, Range(0)]
WeightsByScore: TypeAlias = Annotated[Mapping[str, Weight], PER_SCORE]
NumbersByScore: TypeAlias = Annotated[Mapping[str, float], PER_SCORE]
