"""Types that the keys of several stages share, with the rules that their values are checked against."""

from __future__ import annotations

from typing import Annotated, Literal

from reid_edge.plain_data import Pattern, Range, Then, each_once

# Part of the names under which a gallery stores features.
Name = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")]
Names = Annotated[tuple[str, ...], Then(each_once)]
Lowered = Annotated[str, Then(str.lower)]
Species = Annotated[tuple[Lowered, ...], Then(each_once)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0)]
Boost = Annotated[float, Range(0, 100)]
Candidates = Annotated[int, Range(0, 100_000)]
Fit = Literal["none", "geomean"]
Grid = Annotated[tuple[Share, ...], Then(each_once)]
