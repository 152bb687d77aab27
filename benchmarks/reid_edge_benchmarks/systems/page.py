"""docs/systems.md, from figures that were kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge_benchmarks.systems.accuracy_tables import accuracy_sections
from reid_edge_benchmarks.systems.components import component_tables
from reid_edge_benchmarks.systems.full_size_table import full_size_section
from reid_edge_benchmarks.systems.overview import in_order, overview
from reid_edge_benchmarks.systems.parity_tables import parity_section
from reid_edge_export.recipe_file import read_recipe_file, recipe_names

Data = Mapping[str, Any]

_TITLE = """# The five systems

Five systems of AnimalCLEF 2025 are recipes of reid-edge; the same pipeline runs them and `field`. This page shows what each system
consists of, and, as far as that was measured, how closely it agrees with the same system in PyTorch, how often it is right, and what it
costs at full size. These commands draw the photos, write the figures in `docs/systems`, and generate this page from them:

    reid-edge bench systems draw LABELS --out PARTS --list docs/systems/photos.csv
    reid-edge bench parity --recipe RECIPE SET --json docs/systems/parity-RECIPE.json
    reid-edge bench systems measure --recipe RECIPE SET --keep KEPT --resume --json docs/systems/measured-RECIPE-SET.json
    reid-edge bench systems full-size RECIPE --species SPECIES --json docs/systems/full-size-RECIPE.json
    reid-edge bench systems page docs/systems --out docs/systems.md

A recipe follows its published account. In its `@open` variant, open weights replace restricted and unpublished ones. `hybrid@light` is
`hybrid@open` with a quarter of the keypoints on half the pixels. Heads are trained on the database photos of both folds, never on a
query."""


_GAPS = """## Limits of these figures

- **Weights.** None of the five recipes without `@` was measured on photos, because weights are unpublished or restricted. With
  `--random` such a recipe can be exported and run, but that does not measure accuracy.
- **Masks** in `hybrid`: the two implementations may differ in a pixel at the edge of a mask, and so in a keypoint. One different keypoint
  of 128 changed LightGlue's count for a pair of different animals from 4 to 9. On the same keypoints both give the same count.
- **AdaLAM** in `hybrid`: if no neighbourhood is large enough to vote, kornia and the runtime fall back to nearest neighbours by their
  ratio. The account's limit of 0 accepts these matches, many of them between different animals, so one keypoint more or less can change
  such a count to 0 or back.
- **wildfusion-cascade** re-ranks lynxes by the fused score, as the account does, once `reid-edge gallery pairs` has scored the pairs of
  gallery photos. No lynxes are among these photos: this step was compared with the reference on made-up scores and on rendered animals
  only.
- **wildfusion-cascade@open** has the account's gates. Its limits on the dual backbone are probabilities, because the account's limits are
  cosines of an unpublished network; they are fitted.
- **classifier-fusion** calibrates its two WildFusions on different photos, as the account does, only with
  `reid-edge calibrate --calibration second=METADATA`. These figures have one calibration for both.
- **Inlier counts** (`count = "inliers"`) are used by none of these recipes. One match more or less changes such a count by a tenth, so a
  recipe with inlier counts cannot be expected to meet the targets of parity."""


_COMPONENTS = """## Component by component

Every component that the accounts describe: the keys of the recipe that say it, or the reason why none does. A test holds the keys
against the recipes (`benchmarks/reid_edge_benchmarks/systems/components.toml`)."""


@dataclass(frozen=True)
class SystemFigures:
    """What the page is made of, each in the order of the page.

    Attributes:
        parity: of `reid-edge bench parity --recipe`.
        measured: of `reid-edge bench systems measure`; several of one recipe hold different sets.
        full_size: of `reid-edge bench systems full-size`.
    """

    parity: Sequence[Data] = ()
    measured: Sequence[Data] = ()
    full_size: Sequence[Data] = ()


def read_figures(folder: Path) -> SystemFigures:
    """The figures of a folder.

    Raises:
        UsageError: there are none, or a file is not JSON.
    """
    found: list[list[Data]] = []
    for start in ("parity", "measured", "full-size"):
        try:
            read = [{**json.loads(path.read_text("utf-8")), "file": path.name} for path in sorted(folder.glob(f"{start}-*.json"))]
        except ValueError as error:
            raise UsageError(f"A file {start}-*.json of {folder} is not JSON: {error}", "Measure it again.") from error
        found.append(sorted(read, key=lambda each: in_order(str(each["recipe"]))))
    if not any(found):
        raise UsageError(f"{folder} has no parity-*.json or measured-*.json.", "Measure first: reid-edge bench parity --json.")
    return SystemFigures(*found)


def systems_page(figures: SystemFigures) -> str:
    """The page."""
    parts = [_TITLE, *parity_section(figures.parity), *_earlier_versions(figures.parity, "parity")]
    parts += [*accuracy_sections(figures.measured), *_earlier_versions(figures.measured, "accuracy")]
    parts += [*full_size_section(figures.full_size), *_earlier_versions(figures.full_size, "full size")]
    return "\n\n".join([*parts, _GAPS, _COMPONENTS, component_tables(), "## What each system consists of", overview()]) + "\n"


def _earlier_versions(figures: Iterable[Data], what: str) -> list[str]:
    """Which figures are of another version of their recipe than the one that comes with reid-edge; `what` they are of."""
    known = recipe_names()
    versions = {(str(each["recipe"]), str(each.get("version", "1"))) for each in figures if each["recipe"] in known}
    other = [f"`{name}` {version}" for name, version in sorted(versions) if read_recipe_file(name)["version"] != version]
    return [
        f"The figures of {what} are of another version of the recipe than the present one, and to be measured again: {', '.join(other)}."
    ] * bool(other)
