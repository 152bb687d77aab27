"""docs/systems.md, from figures that were kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.systems.overview import in_order, measurable, overview, system_of

Data = Mapping[str, Any]

_TITLE = """# The five systems

Five systems of AnimalCLEF 2025 as recipes of reid-edge, which the same pipeline runs as `field`: what each is made of, how near it comes to
the same system in PyTorch, and how often it is right. This page is made from the figures in `docs/systems` by the last of these commands,
the others wrote these figures:

    reid-edge bench parity --recipe RECIPE SET --json docs/systems/parity-RECIPE.json
    reid-edge bench systems measure --recipe RECIPE SET --json docs/systems/measured-RECIPE-SET.json
    reid-edge bench systems page docs/systems --out docs/systems.md

A recipe itself holds what its account says. Its `@open` variant has weights that anybody may use, and can have, in the place of those that
not everybody may, or that nobody has published; `hybrid@light` is `hybrid@open` with a quarter of the keypoints on half the pixels. Heads
are trained on the database photos of both folds, never on a query."""

_PARITY = """## Parity with PyTorch

Both sides are written from the recipe: the runtime's with numpy, OpenCV and ONNX Runtime, the other one with timm, kornia, scikit-learn and
SciPy. Each is calibrated by itself, on its own scores. The targets are a GeoMean that differs by 0.002 or less and the same answer to
99.5 % of the queries. The interval is a 95 % bootstrap over individuals."""

_STAGES = """Where the two sides are farthest apart: the embedding with the largest 1 - cosine; the keypoints of which the largest share
has no counterpart within one pixel; the matcher of whose pairs the largest share has another count (by more than 2 and 2 %); the
calibrators when both are fitted on the same scores; and the confidence of the answer."""

_ACCURACY = """## How often they are right

Parts of the labelled sets, individuals and photos drawn by a seed; `docs/systems/photos.csv` lists them. They are few, because a pair takes
seconds in the larger systems, so the intervals (95 %, bootstrap over individuals) are wide, and where they overlap nothing is said about
which system is better. Within a table all recipes saw the same photos. docs/benchmarks.md has `field` on whole sets."""

_LADDER = """## What the parts of `hybrid` add

Table 3 of the account, at B = 50 on the three species of the competition, beside the same steps with open weights. Every step is fitted for
itself: one isotonic calibrator per score and one threshold. Animals are cut out from the first step on where a row `+ crop and mask` is
missing."""

_ACCOUNT_LADDER = (
    ("Baseline embedding only", 0.369),
    ("replacing the embedder with miewid-msv3", 0.412),
    ("+ Local matching", 0.624),
    ("+ Segmentation", 0.639),
    ("+ Embedder in local matchers", 0.648),
    ("+ Optimized fusion weights", 0.668),
)


_GAPS = """## What to know of these figures

- **Weights.** No recipe without `@` has been measured on photos: its weights are fine-tuned and unpublished, or not for every use. With
  `--random` it can be exported and run all the same, which says nothing about how often it is right.
- **Masks** in `hybrid`: a pixel at the edge of a mask that one side has and the other not brings another keypoint in. Of 128, one other
  keypoint moved LightGlue's count of a pair of different animals from 4 to 9; on the same keypoints both sides count the same.
- **AdaLAM** in `hybrid`: where no neighbourhood is large enough to vote, kornia falls back on nearest neighbours by their ratio, and so
  does the runtime. At the account's limit of 0 these count, many for pairs of different animals, and one keypoint more or less can make
  such a count of 0 and back.
- **wildfusion-cascade** re-ranks by the cosines of an embedding. The account does so by its fused scores, for which all pairs of the
  gallery have to be matched. The three dual backbones of the account are three embedders of every photo.
- **wildfusion-cascade@open** has the account's gates, but limits that are probabilities, since the account's are cosines of a network that
  nobody has. Limits are not fitted.
- **classifier-fusion** calibrates each score once; the account's two WildFusions are calibrated on different photos.
- **Inlier counts** (`count = "inliers"`), which none of these recipes takes, move by a tenth when one match more or less goes into the
  search, so that the targets of parity cannot be expected of a recipe that does."""


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
    return "\n\n".join([*parts, _GAPS, "## What they are made of", overview()]) + "\n"


def _parity_table(parity: Sequence[Data]) -> str:
    rows = []
    for each in parity:
        for name, told in each["sets"].items():
            photos, apart = each["photos"][name], told["GeoMean difference"]
            figures = told["figures"]
            rows.append(
                (
                    _named(each),
                    f"{name}, {photos['queries']} / {photos['database']}, fitted on {photos['fitted on']}",
                    f"{told['predictions in common']:.1%}",
                    _figure(figures["reference"]["GeoMean"]),
                    _figure(figures["runtime"]["GeoMean"]),
                    _difference(apart),
                    _targets_in_words(told["targets"]),
                )
            )
    header = ("recipe", "set, queries / database", "same answer", "GeoMean PyTorch", "runtime", "difference", "targets")
    return markdown_table(header, rows)


def _named(each: Data) -> str:
    return f"`{each['recipe']}`" + (", random weights" if each.get("random") else "")


def _difference(apart: Data) -> str:
    if apart["value"] is None:
        return "–"
    return f"{apart['value']:+.4f} ({apart['low']:+.3f} to {apart['high']:+.3f})"


def _targets_in_words(targets: Iterable[Data]) -> str:
    met = [target["met"] for target in targets]
    return "missed" if False in met else "met" if all(met) else "met as far as can be said"


def _differently(parity: Sequence[Data]) -> list[str]:
    rows = [
        f"- {_named(each)}, {row['photo']}: PyTorch {row['reference']}, runtime {row['runtime']}; it shows {row['truth']}"
        for each in parity
        for told in each["sets"].values()
        for row in told["answered differently"]
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
        if any(told["photos"] != photos for _, told in own):
            raise UsageError(
                f"The figures of {name} are of different photos.", "Measure all recipes on the same part of the set."
            )
        fit, report = photos["fit"], photos["report"]
        told = (
            f"### {name}\n\n{report['queries']} queries of {report['known individuals']} known and {report['unknown individuals']} unknown "
            f"individuals over {report['database']} database photos; fitted on {fit['queries']} queries over {fit['database']} photos of "
            "other individuals."
        )
        rows = [(f"`{recipe}`", *_four(row["system"])) for recipe, row in own]
        parts += [told, markdown_table(("recipe", *_MEASURES), rows)]
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
            for name, told in each["sets"].items():
                rows = [*told[which], *([{**told["system"], "row": "the whole"}] if which == "alone" else [])]
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
        return "cannot be said, since the set was too small to fit it on."
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
