"""What was aimed for, what was measured, and whether that is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.latency.measuring import RUNTIME, TORCH, WHOLE, WILDFUSION

Results = Mapping[str, Any]

MISSING = "not measured"


@dataclass(frozen=True)
class Target:
    """One row.

    Attributes:
        what: is measured.
        aim: in words.
        result: of which command, by the name of its file.
        measure: the figure in words, and whether the aim is met; None where it is only reported.
    """

    what: str
    aim: str
    result: str
    measure: Callable[[Any], tuple[str, bool | None]]

    def row(self, results: Results) -> list[str]:
        """The cells; a figure that the results do not hold is not measured."""
        try:
            said, met = self.measure(results if self.result == "*" else results[self.result])
        except (KeyError, StopIteration):
            return [self.what, self.aim, MISSING, ""]
        return [self.what, self.aim, said, {True: "met", False: "missed", None: "reported"}[met]]


def targets_table(targets: tuple[Target, ...], results: Results) -> str:
    """What was aimed for, and what became of it."""
    return markdown_table(("what", "target", "measured", ""), [target.row(results) for target in targets])


def _gallery(latency: Any, size: int) -> Any:
    return next(each for each in latency["galleries"] if each["size"] == size)


def _most(value: float, most: float, text: str) -> tuple[str, bool]:
    return text, value <= most


def _warm(latency: Any) -> tuple[str, bool]:
    whole = _gallery(latency, 1000)["sides"][RUNTIME][WHOLE]
    return _most(whole["p50"], 500, f"{whole['p50']:.0f} ms (half of the photos {whole['p25']:.0f} to {whole['p75']:.0f})")


def _unpruned(results: Any) -> tuple[str, bool]:
    if results["accuracy"].get("finished") == results["accuracy-unpruned"].get("finished"):
        raise KeyError("one run cannot be compared with itself")
    now, before = results["accuracy"]["sets"], results["accuracy-unpruned"]["sets"]
    changes = {name: now[name]["answers"]["GeoMean"] - before[name]["answers"]["GeoMean"] for name in before if name in now}
    name, largest = max(changes.items(), key=lambda item: abs(item[1]))
    return _most(abs(largest), 0.005, f"{largest:+.4f} at most ({name})")


def _ratio(side: str, least: float) -> Callable[[Any], tuple[str, bool]]:
    def measure(latency: Any) -> tuple[str, bool]:
        ratio = _gallery(latency, 1000)["ratios"][side]
        if ratio["value"] is None:
            return "within the noise" if ratio["low"] is not None else "too few pairs", False
        return f"{ratio['value']:.1f} times ({ratio['low']:.1f} to {ratio['high']:.1f})", ratio["value"] >= least

    return measure


def _fair(latency: Any) -> tuple[str, bool]:
    _ = _gallery(latency, 1000)["ratios"][WILDFUSION]["as_published"]  # results without it hold the other ratio
    return _ratio(WILDFUSION, 15)(latency)


def _search(scaling: Any) -> tuple[str, bool]:
    exact = next(row for row in scaling["search"] if row["size"] == 100_000)["exact"]
    return _most(exact["p50"], 30, f"{exact['p50']:.1f} ms")


def _pairs(scaling: Any) -> tuple[str, None]:
    return "; ".join(
        f"{name} {pairs['pairs_per_second']:.1f} pairs a second" + (f", PyTorch {pairs['torch']:.1f}" if "torch" in pairs else "")
        for name, pairs in scaling["pairs"].items()
    ), None


def _station(latency: Any) -> tuple[str, None]:
    gallery = latency["galleries"][-1]
    return f"{gallery['sides'][RUNTIME][WHOLE]['p50'] / 1e3:.1f} s a photo, gallery of {gallery['size']:,}", None


def _busy(folder: Any) -> tuple[str, bool]:
    share = folder["folder"]["cpu_share"]
    return f"{share:.0%}", share >= folder["targets"]["cpu_share"]


def _throughput(folder: Any) -> tuple[str, bool]:
    ratio = folder["ratio"]
    between = f"{ratio['low']:.2f} to {ratio['high']:.2f}"
    if ratio["value"] is None:
        return f"within the noise ({between})", False
    return f"{ratio['value']:.2f} times ({between})", ratio["value"] >= folder["targets"]["ratio"]


def _memory(latency: Any) -> tuple[str, bool]:
    figures = _gallery(latency, 10_000)["sides"][RUNTIME]
    mapped = f", of it mapped files {figures['memory']['file'] / 1e6:.0f}" if "file" in figures["memory"] else ""
    return _most(figures["peak_bytes"], 600e6, f"{figures['peak_bytes'] / 1e6:.0f} MB{mapped}")


def _median(name: str, key: str, unit: str) -> Callable[[Any], tuple[str, bool]]:
    def measure(startup: Any) -> tuple[str, bool]:
        values = sorted(startup[name])
        return _most(values[len(values) // 2], startup["targets"][key], f"{values[len(values) // 2]:.2f} {unit}")

    return measure


def _size(startup: Any) -> tuple[str, bool]:
    return _most(startup["package_bytes"], startup["targets"]["package_bytes"], f"{startup['package_bytes'] / 1e6:.1f} MB")


def _growth(enrolment: Any) -> tuple[str, bool]:
    marks = [mark for mark in enrolment["marks"] if mark["photos"] >= 100]
    first, last = marks[0], marks[-1]
    peaks = (
        f"{first['peak_bytes'] / 1e6:.0f} MB at photo {first['photos']}, {last['peak_bytes'] / 1e6:.0f} MB at {last['photos']}"
    )
    return f"{enrolment['photos_per_second']:.1f} photos a second; {peaks}", last["peak_bytes"] <= 1.05 * first["peak_bytes"]


def _answers(accuracy: Any, name: str) -> Any:
    return accuracy["sets"][name]["answers"]


def _at_least(name: str, figure: str, least: float) -> Callable[[Any], tuple[str, bool]]:
    def measure(accuracy: Any) -> tuple[str, bool]:
        value = _answers(accuracy, name)[figure]
        return f"{value:.3f}", value >= least

    return measure


def _each(figure: str, most: float, least_queries: int = 0) -> Callable[[Any], tuple[str, bool]]:
    """The same bound for every set that is large enough."""

    def measure(accuracy: Any) -> tuple[str, bool]:
        found = {
            name: labelled["answers"][figure]
            for name, labelled in accuracy["sets"].items()
            if labelled["answers"]["queries"] >= least_queries
        }
        over = [name for name, value in found.items() if value > most]
        said = ", ".join(f"{name} {value:.3f}" for name, value in found.items())
        return said + (f"; over it: {', '.join(over)}" if over else ""), not over

    return measure


def _above_embedding(accuracy: Any) -> tuple[str, bool]:
    gains = {}
    for name in ("tiger", "turtle", "nyala"):
        gains[name] = _answers(accuracy, name)["GeoMean"] - accuracy["sets"][name]["contributions"]["embedding"]["GeoMean"]
    return ", ".join(f"{name} {gain:+.3f}" for name, gain in gains.items()), all(gain >= 0.03 for gain in gains.values())


SPEED = (
    Target("`field`, warm, gallery of 1,000, file to decision", "0.5 s a photo", "latency", _warm),
    Target("GeoMean beside the unpruned pipeline, every set", "within 0.005", "*", _unpruned),
    Target("the same work in PyTorch", "6 times slower", "latency", _ratio(TORCH, 6)),
    Target("the common pipeline, its database features kept, same candidates and networks", "15 times slower", "latency", _fair),
    Target("shortlist among 100,000 vectors, memory-mapped", "30 ms", "scaling", _search),
    Target("LightGlue of `field`", "reported", "scaling", _pairs),
    Target("`station` on this processor", "reported", "latency-station", _station),
    Target("LightGlue of `station`", "reported", "scaling-station", _pairs),
    Target("folder of 200 photos: cores busy", "85 %", "folder", _busy),
    Target("folder of 200 photos: throughput beside one at a time", "1.6 times", "folder", _throughput),
    Target("peak memory, gallery of 10,000", "600 MB", "latency", _memory),
)
FIRST = (
    Target("`reid-edge --help`", "0.3 s", "startup", _median("help_seconds", "help_seconds", "s")),
    Target("process start to first answer", "3 s", "startup", _median("answer_seconds", "answer_seconds", "s")),
    Target("installed size without dependencies", "25 MB", "startup", _size),
    Target("memory while enrolling", "does not grow", "enrolment", _growth),
)
ACCURACY = (
    Target("zebra, R-1", "0.95", "accuracy", _at_least("zebra", "R-1", 0.95)),
    Target("zebra, GeoMean", "0.92", "accuracy", _at_least("zebra", "GeoMean", 0.92)),
    Target("GeoMean above one isotonic score and a threshold (row *embedding*)", "0.03", "accuracy", _above_embedding),
    Target("ECE of the best individual, sets of 200 queries or more", "0.05", "accuracy", _each("ECE", 0.05, 200)),
    Target("regret", "0.03", "accuracy", _each("regret", 0.03)),
    Target("wrong unattended", "0.05", "accuracy", _each("wrong unattended", 0.05)),
)
