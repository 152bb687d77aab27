"""docs/systems.md, from figures that were kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.parity.sides import ENOUGH
from reid_edge_benchmarks.systems.components import component_tables
from reid_edge_benchmarks.systems.overview import in_order, measurable, overview, system_of
from reid_edge_export.recipe_file import read_recipe_file, recipe_names

Data = Mapping[str, Any]

_TITLE = """# The five systems

Five systems of AnimalCLEF 2025 are recipes of reid-edge; the same pipeline runs them and `field`. This page shows what each system
consists of, how closely it agrees with the same system in PyTorch, and how often it is right. The first two commands wrote the figures in
`docs/systems`, and the third generates this page from them:

    reid-edge bench parity --recipe RECIPE SET --json docs/systems/parity-RECIPE.json
    reid-edge bench systems measure --recipe RECIPE SET --keep KEPT --resume --json docs/systems/measured-RECIPE-SET.json
    reid-edge bench systems page docs/systems --out docs/systems.md

A recipe follows its published account. In its `@open` variant, open weights replace restricted and unpublished ones. `hybrid@light` is
`hybrid@open` with a quarter of the keypoints on half the pixels. Heads are trained on the database photos of both folds, never on a
query."""

_PARITY = f"""## Parity with PyTorch

Both implementations follow the recipe: the runtime with numpy, OpenCV and ONNX Runtime, the reference with timm, kornia, scikit-learn and
SciPy. Each is calibrated on its own scores. The targets: GeoMean differs by at most 0.002, and 99.5 % of the queries get the same answer.
The interval is a 95 % bootstrap over individuals. Whether a target is met is said from {ENOUGH} queries on: with fewer, it depends on which
photos were taken."""

_STAGES = """The largest differences between the two implementations: the embedding with the largest 1 - cosine; the extractor with the
largest share of keypoints without a counterpart within one pixel; the matcher with the largest share of pairs whose counts differ (by more
than 2 matches and 2 %); the calibrator with the largest difference if both are fitted on the same scores; the confidence of the answer."""

_ACCURACY = """## How often they are right

The photos are parts of the labelled sets, drawn by a seed; `docs/systems/photos.csv` lists them. They are few, because a pair takes seconds
in the larger systems. The intervals (95 %, bootstrap over individuals) are therefore wide, and overlapping intervals do not show which
system is better. All recipes of a table answered the same photos. docs/benchmarks.md has `field` on whole sets."""

_LADDER = """## What the parts of `hybrid` add

The first table is table 3 of the account, at B = 50 on the three species of the competition. The others are the same steps with open
weights. Each step is fitted separately: one isotonic calibrator per score, and one threshold. In a table without the row
`+ crop and mask`, animals are cut out from the first step on."""

_ACCOUNT_LADDER = (
    ("Baseline embedding only", 0.369),
    ("replacing the embedder with miewid-msv3", 0.412),
    ("+ Local matching", 0.624),
    ("+ Segmentation", 0.639),
    ("+ Embedder in local matchers", 0.648),
    ("+ Optimized fusion weights", 0.668),
)


_GAPS = """## Limits of these figures

- **Weights.** No recipe without `@` was measured on photos, because its weights are unpublished or restricted. With `--random` such a
  recipe can be exported and run, but that does not measure accuracy.
- **Masks** in `hybrid`: the two implementations may differ in a pixel at the edge of a mask, and so in a keypoint. One different keypoint
  of 128 changed LightGlue's count for a pair of different animals from 4 to 9. On the same keypoints both give the same count.
- **AdaLAM** in `hybrid`: if no neighbourhood is large enough to vote, kornia and the runtime fall back to nearest neighbours by their
  ratio. The account's limit of 0 accepts these matches, many of them between different animals, so one keypoint more or less can change
  such a count to 0 or back.
- **wildfusion-cascade** re-ranks lynxes by the fused score, as the account does, once `reid-edge gallery pairs` has scored the pairs of
  gallery photos. No lynxes are among these photos, and PyTorch was not compared on it.
- **wildfusion-cascade@open** has the account's gates. Its limits on the dual backbone are probabilities, because the account's limits are
  cosines of an unpublished network; they are fitted.
- **classifier-fusion** calibrates its two WildFusions on different photos, as the account does, only with
  `reid-edge calibrate --calibration second=METADATA`. These figures have one calibration for both.
- **Inlier counts** (`count = "inliers"`) are used by none of these recipes. One match more or less changes such a count by a tenth, so a
  recipe with inlier counts cannot be expected to meet the targets of parity."""


_COMPONENTS = """## Component by component

Every component that the accounts describe: the keys of the recipe that say it, or the reason why none does. A test holds the keys
against the recipes (`benchmarks/reid_edge_benchmarks/systems/components.toml`)."""


def read_figures(folder: Path) -> tuple[list[Data], list[Data]]:
    """The figures of a folder: those of parity and those of accuracy, in the order of the page.

    Raises:
        UsageError: there are none, or a file is not JSON.
    """
    found: list[list[Data]] = []
    for start in ("parity", "measured"):
        try:
            read = [{**json.loads(path.read_text("utf-8")), "file": path.name} for path in sorted(folder.glob(f"{start}-*.json"))]
        except ValueError as error:
            raise UsageError(f"A file {start}-*.json of {folder} is not JSON: {error}", "Measure it again.") from error
        found.append(sorted(read, key=lambda each: in_order(str(each["recipe"]))))
    if not any(found):
        raise UsageError(f"{folder} has no parity-*.json or measured-*.json.", "Measure first: reid-edge bench parity --json.")
    return found[0], found[1]


def systems_page(parity: Sequence[Data], measured: Sequence[Data]) -> str:
    """The page.

    Args:
        parity: figures of `reid-edge bench parity --recipe`.
        measured: figures of `reid-edge bench systems measure`; several of one recipe hold different sets.
    """
    parts = [_TITLE]
    if parity:
        parts += [_PARITY, _parity_table(parity), *_differently(parity), _STAGES, _stage_table(parity)]
    if measured:
        parts += [_ACCURACY, *_accuracy(measured)]
        parts += _hybrid(measured)
        parts += _station(measured)
    parts += _earlier_versions((*parity, *measured))
    return "\n\n".join([*parts, _GAPS, _COMPONENTS, component_tables(), "## What each system consists of", overview()]) + "\n"


def _parity_table(parity: Sequence[Data]) -> str:
    rows = []
    for each in parity:
        for name, result in each["sets"].items():
            photos, apart = each["photos"][name], result["GeoMean difference"]
            figures = result["figures"]
            rows.append(
                (
                    _named(each),
                    f"{name}, {photos['queries']} / {photos['database']}, fitted on {photos['fitted on']}",
                    f"{result['predictions in common']:.1%}",
                    _figure(figures["reference"]["GeoMean"]),
                    _figure(figures["runtime"]["GeoMean"]),
                    _difference(apart),
                    _targets_in_words(photos["queries"], result["targets"]),
                )
            )
    header = ("recipe", "set, queries / database", "same answer", "GeoMean PyTorch", "runtime", "difference", "targets")
    return markdown_table(header, rows)


def _earlier_versions(figures: Iterable[Data]) -> list[str]:
    """Which figures are of another version of their recipe than the one that comes with reid-edge."""
    known = recipe_names()
    versions = {(str(each["recipe"]), str(each.get("version", "1"))) for each in figures if each["recipe"] in known}
    other = [f"`{name}` {version}" for name, version in sorted(versions) if read_recipe_file(name)["version"] != version]
    return [
        f"Measured with another version of the recipe than the present one, and to be measured again: {', '.join(other)}."
    ] * bool(other)


def _named(each: Data) -> str:
    return f"`{each['recipe']}`" + (", random weights" if each.get("random") else "")


def _difference(apart: Data) -> str:
    if apart["value"] is None:
        return "–"
    return f"{apart['value']:+.4f} ({apart['low']:+.3f} to {apart['high']:+.3f})"


def _targets_in_words(queries: int, targets: Iterable[Data]) -> str:
    if queries < ENOUGH:
        return f"too few queries ({queries} of {ENOUGH})"
    met = [target["met"] for target in targets]
    return "missed" if False in met else "met" if all(met) else "met as far as measurable"


def _differently(parity: Sequence[Data]) -> list[str]:
    rows = [
        f"- {_named(each)}, {row['photo']}: PyTorch {row['reference']}, runtime {row['runtime']}; it shows {row['truth']}"
        for each in parity
        for result in each["sets"].values()
        for row in result["answered differently"]
    ]
    return ["Answered differently:\n\n" + "\n".join(rows)] if rows else []


_STAGE_COLUMNS = (
    ("embedding", "embedding ", "", "{:.1e}"),
    ("keypoints", "keypoints ", "", "{:.1%}"),
    ("counts unequal", "counts unequal ", "", "{:.1%}"),
    ("calibrators", "calibrator ", "all knots", "{:.0e}"),
    ("confidence", "confidence ", "", "{:.3f}"),
)


def _stage_table(parity: Sequence[Data]) -> str:
    rows = []
    for each in parity:
        cells = []
        for _, start, end, style in _STAGE_COLUMNS:
            found = [row for row in each["differences"] if row["stage"].startswith(start) and row["stage"].endswith(end)]
            worst = max(found, key=lambda row: float(row["largest"]), default=None)
            name = worst["stage"].removeprefix(start).partition(",")[0] if worst and worst["largest"] else ""
            shown = f" ({name})" if name and not start.startswith("confidence") else ""
            cells.append("–" if worst is None else style.format(worst["largest"]) + shown)
        rows.append((_named(each), *cells))
    return markdown_table(("recipe", *(column for column, *_ in _STAGE_COLUMNS)), rows)


def _accuracy(measured: Sequence[Data]) -> list[str]:
    sets = dict.fromkeys(name for each in measured for name in each["sets"])
    parts = []
    for name in sets:
        own = [(each["recipe"], each["sets"][name]) for each in measured if name in each["sets"]]
        photos = own[0][1]["photos"]
        if any(row["photos"] != photos for _, row in own):
            raise UsageError(
                f"The figures of {name} are of different photos.", "Measure all recipes on the same part of the set."
            )
        fit, report = photos["fit"], photos["report"]
        heading = (
            f"### {name}\n\n{report['queries']} queries of {report['known individuals']} known and {report['unknown individuals']} unknown "
            f"individuals over {report['database']} database photos; fitted on {fit['queries']} queries over {fit['database']} photos of "
            "other individuals."
        )
        rows = [(f"`{recipe}`", *_four(row["system"])) for recipe, row in own]
        parts += [heading, markdown_table(("recipe", *_MEASURES), rows)]
        if missing := [f"`{recipe}`" for recipe in measurable() if recipe not in [name for name, _ in own]]:
            parts.append(f"Not measured on these photos: {', '.join(missing)}.")
    return parts


_MEASURES = ("R-1", "BAKS", "BAUS", "GeoMean")


def _four(row: Data) -> list[str]:
    """The four measures with their intervals."""
    if row.get("problem"):
        return ["–"] * len(_MEASURES)
    return [
        "–" if row.get(name) is None else f"{row[name]:.3f} [{row[f'{name} low']:.2f}, {row[f'{name} high']:.2f}]"
        for name in _MEASURES
    ]


def _rows_by_set(measured: Sequence[Data], system: str, which: str) -> Mapping[str, Mapping[str, list[Data]]]:
    """Of the recipes of a system, by recipe and by set."""
    by_recipe: dict[str, dict[str, list[Data]]] = {}
    for each in measured:
        if system_of(each["recipe"]) == system:
            for name, result in each["sets"].items():
                rows = [*result[which], *([{**result["system"], "row": "the whole"}] if which == "alone" else [])]
                by_recipe.setdefault(each["recipe"], {})[name] = rows
    return by_recipe


def _hybrid(measured: Sequence[Data]) -> list[str]:
    account = markdown_table(("the account", "GeoMean"), [(step, f"{figure:.3f}") for step, figure in _ACCOUNT_LADDER])
    tables = [_by_set(recipe, sets) for recipe, sets in _rows_by_set(measured, "hybrid", "ladder").items()]
    return [_LADDER, account, *tables] if tables else []


def _station(measured: Sequence[Data]) -> list[str]:
    by_recipe = _rows_by_set(measured, "station", "alone")
    if not by_recipe:
        return []
    parts = ["## `station` beside its single scores", "Each score alone, by its isotonic calibrator and one threshold."]
    for recipe, sets in by_recipe.items():
        parts.append(_by_set(recipe, sets))
        parts.append("\n".join(f"- {name}: {_against_the_best(rows)}" for name, rows in sets.items()))
    return parts


def _against_the_best(rows: Sequence[Data]) -> str:
    *alone, whole = [row for row in rows if row.get("GeoMean") is not None]
    if whole["row"] != "the whole" or not alone:
        return "not measurable, because the set was too small to fit it."
    best = max(alone, key=lambda row: float(row["GeoMean"]))
    apart = whole["GeoMean"] - best["GeoMean"]
    word = "better than" if apart > 0 else "as good as" if apart == 0 else "worse than"
    return f"the whole is {word} its best single score, {best['row']} ({whole['GeoMean']:.3f} against {best['GeoMean']:.3f})."


def _by_set(recipe: str, sets: Mapping[str, Sequence[Data]]) -> str:
    """A table of GeoMean, a column per set."""
    names = dict.fromkeys(row["row"] for rows in sets.values() for row in rows)
    table = []
    for name in names:
        found = [next((row for row in rows if row["row"] == name), {}) for rows in sets.values()]
        table.append((name, *(_four(row)[-1] if row else "–" for row in found)))
    return markdown_table((f"`{recipe}`, GeoMean", *sets), table)


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
