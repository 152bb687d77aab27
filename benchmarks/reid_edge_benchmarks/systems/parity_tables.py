"""The section of docs/systems.md on parity with PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.parity.sides import ENOUGH

Data = Mapping[str, Any]

_PARITY = f"""## Parity with PyTorch

Both implementations follow the recipe: the runtime with numpy, OpenCV and ONNX Runtime, the reference with timm, kornia, scikit-learn and
SciPy. Each is calibrated on its own scores. The targets: GeoMean differs by at most 0.002, and 99.5 % of the queries get the same answer.
The interval is a 95 % bootstrap over individuals. Whether a target is met is said from {ENOUGH} queries on: with fewer, it depends on which
photos were taken. The photos of this table are other parts of the sets than those of the accuracy below."""

_STAGES = """The largest differences between the two implementations: the embedding with the largest 1 - cosine; the extractor with the
largest share of keypoints without a counterpart within one pixel; the matcher with the largest share of pairs whose counts differ (by more
than 2 matches and 2 %); the calibrator with the largest difference if both are fitted on the same scores; the confidence of the answer."""


def parity_section(parity: Sequence[Data]) -> list[str]:
    """Its paragraphs and tables; none without figures.

    Args:
        parity: figures of `reid-edge bench parity --recipe`.
    """
    return [_PARITY, _parity_table(parity), *_differently(parity), _STAGES, _stage_table(parity)] if parity else []


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


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
