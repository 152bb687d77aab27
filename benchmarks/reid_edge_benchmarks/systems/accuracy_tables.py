"""The sections of docs/systems.md on accuracy: how often the systems are right, and what their parts add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reid_edge.errors import UsageError
from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.systems.overview import measurable, system_of

Data = Mapping[str, Any]

_ACCURACY = """## How often they are right

The photos are parts of the labelled sets, drawn with a seed; `docs/systems/photos.csv` lists them. They are few, because a pair takes up to
seconds in the larger systems. The intervals (95 %, bootstrap over individuals) are therefore wide, and overlapping intervals do not show
which system is better. All recipes of a table answered the same photos. The number of candidates (B) is the recipe's; where the database
has no more photos than that, every query is compared with all of them. docs/benchmarks.md has `field` on whole sets.

The parts were drawn with `--database 2`: zebra with `--queries 40 --individuals 13 --fit-queries 40 --fit-individuals 9`, the others with
`--individuals 8 --fit-queries 32 --fit-individuals 7`, and `--queries 40` for tigers, `--queries 20` for turtles and nyalas. Two database
photos of an individual are the least that a head can be trained on. The heads of a recipe were trained once, on the database photos of all
four parts. `zebra-few` is an older part, drawn by a script that is not part of the project."""

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


def accuracy_sections(measured: Sequence[Data]) -> list[str]:
    """Their paragraphs and tables; none without figures.

    Args:
        measured: figures of `reid-edge bench systems measure`; several of one recipe hold different sets.

    Raises:
        UsageError: the figures of a set are of different photos.
    """
    if not measured:
        return []
    return [_ACCURACY, *_accuracy(measured), *_beside_field(measured), *_hybrid(measured), *_station(measured)]


def _accuracy(measured: Sequence[Data]) -> list[str]:
    sets = sorted({name for each in measured for name in each["sets"]})
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


def _beside_field(measured: Sequence[Data]) -> list[str]:
    """What each system gives beyond `field`, on the photos that both answered."""
    field = {name: row["system"] for each in measured if each["recipe"] == "field" for name, row in each["sets"].items()}
    lines, apart = [], 0
    for each in measured:
        for name, row in each["sets"].items():
            mine, its = field.get(name, {}), row["system"]
            if each["recipe"] == "field" or mine.get("GeoMean") is None or its.get("GeoMean") is None:
                continue
            overlap = its["GeoMean low"] <= mine["GeoMean high"] and mine["GeoMean low"] <= its["GeoMean high"]
            apart += not overlap
            word = "the intervals overlap" if overlap else "better" if its["GeoMean"] > mine["GeoMean"] else "worse"
            lines.append(
                f"- `{each['recipe']}`, {name}: R-1 {its['R-1']:.3f}, `field` {mine['R-1']:.3f}; GeoMean {_four(its)[-1]}, "
                f"`field` {_four(mine)[-1]}: {word}."
            )
    if not lines:
        return []
    conclusion = (
        "On these photos and with these weights, no system was better or worse than `field` by more than the intervals."
        if not apart
        else f"In {apart} of {len(lines)} comparisons a system and `field` differ by more than the intervals."
    )
    return ["## What the systems give beyond `field`", "\n".join(lines), conclusion]


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
