"""The figures of ``reid-edge bench catalogue`` as Markdown, for the terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from reid_edge.markdown import markdown_table
from reid_edge_benchmarks.scale.extrapolation import SERVER_MEMORY
from reid_edge_benchmarks.scale.parts import OWN, PRODUCT

Figures = Mapping[str, Any]

_MILLION, _MOST_MS, _LEAST_RECALL = 1_000_000, 20, 0.95
_IDENTIFIED, _MOST_RATIO = 100_000, 1.3
_STORES = {"file": "file", "server": "server"}


def catalogue_text(figures: Figures) -> str:
    """All tables, each with a heading.

    Args:
        figures: as the command saves them.
    """
    rows = figures["catalogue"]
    parts = [
        ("Targets", targets_table(figures)),
        ("Search", f"{search_table(rows)}\n\n{crossing_text(figures)}"),
        ("The index", index_table(rows)),
    ]
    parts += [("The shortlist by individual", individuals_table(rows)), ("A file and a server", stores_table(rows))]
    if figures.get("identify"):
        parts.append(("A whole answer", identify_text(figures["identify"])))
    parts += [
        ("Parts by species and region", f"{parts_table(rows)}\n\n{parts_text(rows[-1])}"),
        ("Beyond what was measured", extrapolation_text(figures)),
    ]
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts)


def targets_table(figures: Figures) -> str:
    """What was aimed for, and whether it was reached; what was not measured says so."""
    million = next((_chosen(row) for row in figures["catalogue"] if row["size"] == _MILLION), None)
    identify = figures.get("identify")
    ratio = identify["ratio"] if identify and identify["size"] == _IDENTIFIED else None
    longer = None if ratio is None else identify["server"]["whole"]["p50"] / identify["file"]["whole"]["p50"]
    rows = [
        _target(
            "a million vectors, the nearest 50 by the index",
            f"{_MOST_MS} ms",
            million and million["search"]["p50"],
            _MOST_MS,
            "ms",
        ),
        _target("their recall", f"{_LEAST_RECALL}", million and -million["recall"], -_LEAST_RECALL, ""),
        _target(
            f"a photo with the server at {_IDENTIFIED:,}, beside the file", f"{_MOST_RATIO} times", longer, _MOST_RATIO, "times"
        ),
    ]
    return markdown_table(("what", "target", "measured", ""), rows)


def _target(what: str, aim: str, value: float | None, most: float, unit: str) -> list[str]:
    """A row; a value that is to be as large as possible comes with its sign turned."""
    if value is None:
        return [what, aim, "not measured", ""]
    return [what, aim, f"{abs(value):.3g} {unit}".strip(), "met" if value <= most else "missed"]


def search_table(rows: Sequence[Figures]) -> str:
    """A row for each size and way to search: milliseconds, the share of the exact shortlist that was found, and the memory of the process
    that searches, with the pages of files and what it shares."""
    made = []
    for row in rows:
        index, memory = row["index"], row["device"]["memory"]
        ways = [
            ("device, exact", row["device"]["search"], None, sum(memory.values()) if memory else None),
            ("server, exact", index["scan"]["search"], index["scan"]["recall"], index["scan"]["peak_bytes"]),
        ]
        for each in index["asked"]:
            mark = ", the product's choice" if each["asked"] == index["chosen"] else ""
            ways.append(
                (f"server's index, asked for {each['asked']}{mark}", each["search"], each["recall"], index["search_peak_bytes"])
            )
        made += [
            [f"{row['size']:,}", way, *_times(spread), "" if recall is None else f"{recall:.3f}", _megabytes(used)]
            for way, spread, recall, used in ways
        ]
    return markdown_table(("photos", "way", "ms", "p95", "recall", "memory MB"), made)


def crossing_text(figures: Figures) -> str:
    """From how many vectors on the index is faster, in a sentence."""
    law = figures["laws"]
    if not law["crossing"]:
        return f"On this machine the index is {'slower' if law['crossing'] is None else 'faster'} at all sizes."
    crossing = float(f"{law['crossing']:.2g}")
    return (
        f"On this machine the index is faster than the exact search on the device from about {crossing:,.0f} vectors of "
        f"{figures['dimension']} values on: the exact search takes {law['per_million']:.0f} ms for a million, the index "
        f"{law['index_per_e'] * math.log(10):.1f} ms more for ten times as many."
    )


def index_table(rows: Sequence[Figures]) -> str:
    """Seconds and memory of building the index, and what lies where."""
    made = []
    for row in rows:
        index = row["index"]
        when = "" if index.get("built_now") else " (built before)"
        sizes = (
            index["vector_bytes"],
            index["index_bytes"],
            row["device"]["copy_bytes"],
            row["file"]["bytes"],
            index["all_bytes"],
        )
        made.append(
            [
                *(f"{row['size']:,}", _seconds(index.get("copy_seconds")), f"{_seconds(index['index_seconds'])}{when}"),
                *map(_megabytes, (index.get("peak_bytes"), *sizes)),
            ]
        )
    header = ("photos", "vectors copied in s", "index built in s", "peak MB", "vectors MB", "index MB", "device's copy MB")
    return markdown_table((*header, "file MB", "server MB"), made)


def individuals_table(rows: Sequence[Figures]) -> str:
    """The shortlist by individual: as the product makes it, and by the index."""
    made = []
    for row in rows:
        one, size = row["individuals"], f"{row['size']:,}"
        opened = (f"{one['photos']:.0f}", f"{one['open_seconds']:.1f}", _megabytes(one["memory"].get("anonymous")))
        made.append([size, "product, exact", *_times(one["search"]), "", *opened])
        by_index = one["by_index"]
        made.append([size, "index, iterative", *_times(by_index["search"]), f"{by_index['recall']:.3f}", "", "", ""])
    return markdown_table(("photos", "way", "ms", "p95", "recall", "photos on it", "opened in s", "memory MB"), made)


def stores_table(rows: Sequence[Figures]) -> str:
    """What adding, opening and reading cost in either store."""
    made = []
    for row in rows:
        for store, title in _STORES.items():
            each = row[store]
            made.append(
                [
                    *(f"{row['size']:,}", title, *(f"{each['add'][kind]['p50']:.1f}" for kind in ("known", "new"))),
                    *(f"{each[name]:.1f}" for name in ("copy_seconds", "refresh_seconds", "open_seconds")),
                    f"{each['keypoints']['p50']:.1f}",
                ]
            )
    header = ("photos", "store", "add ms", "of a new animal", "first copy s", "after a change s", "open s", "keypoints ms")
    return markdown_table(header, made)


def identify_text(identify: Figures) -> str:
    """The whole way of a photo from either store."""
    rows = [
        [title, *_times(identify[store]["whole"]), f"{identify[store]['open_seconds']:.1f}"] for store, title in _STORES.items()
    ]
    ratio = identify["ratio"]
    beside = "within the noise" if ratio["value"] is None else f"{ratio['value']:.2f} times as long"
    limits = "" if ratio["low"] is None else f" (95 % interval of the ratio: {ratio['low']:.2f} to {ratio['high']:.2f})"
    return (
        f"Gallery of {identify['size']:,}: {identify['photos']}, and made-up animals; {identify['queries']} photos answered "
        f"{identify['rounds']} times.\n\n{markdown_table(('store', 'ms a photo', 'p95', 'opened in s'), rows)}\n\n"
        f"With the server a photo takes {beside}{limits}; {identify['same']:.0%} of the answers are the same."
    )


def parts_table(rows: Sequence[Figures]) -> str:
    """A search within a part of the gallery."""
    made = []
    for row in rows:
        whole = f"{row['size']:,}"
        made.append([whole, "all", "100%", "product", *_times(_chosen(row)["search"]), f"{_chosen(row)['recall']:.3f}", "", ""])
        for each in row["parts"]:
            size = _megabytes(each.get("index_bytes"))
            built = _seconds(row["index"].get(f"{each['part']}_index_seconds")) if size else ""
            way = (f"{each['share']:.0%}", each["way"], *_times(each["search"]), f"{each['recall']:.3f}")
            made.append([whole, each["part"], *way, size, built])
    return markdown_table(("photos", "part", "share", "way", "ms", "p95", "recall", "index MB", "built in s"), made)


def parts_text(row: Figures) -> str:
    """Whether parts pay in the largest gallery, a sentence for each: where an index of the part saves more than a search may take."""
    found = {(each["part"], each["way"]): each for each in row["parts"]}
    sentences = []
    for part in dict.fromkeys(each["part"] for each in row["parts"]):
        product, own = found[part, PRODUCT], found[part, OWN]
        saved = product["search"]["p50"] - own["search"]["p50"]
        verdict = "pays" if saved > _MOST_MS else "does not pay"
        sentences.append(
            f"At {row['size']:,} photos an index of each {part} {verdict}: {own['search']['p50']:.1f} ms (recall {own['recall']:.3f}) "
            f"in the place of {product['search']['p50']:.1f} ms ({product['recall']:.3f})."
        )
    return f"{' '.join(sentences)} It is said to pay where it saves more than {_MOST_MS} ms." if sentences else ""


def extrapolation_text(figures: Figures) -> str:
    """The table of sizes beyond the measured ones, and its arithmetic."""
    rows = [
        [
            f"{row['size']:,}",
            "measured" if row["measured"] else "computed",
            *(f"{row[name] / 1e9:,.1f}" for name in ("copy_bytes", "table_bytes", "index_bytes")),
            f"{row['exact_ms']:,.0f}",
            f"{row['index_ms']:.1f}",
            f"{row['build_seconds'] / 3600:,.1f}",
            str(row["servers"]),
        ]
        for row in figures["extrapolated"]
    ]
    header = ("vectors", "", "device's copy GB", "table GB", "index GB", "exact ms", "index ms", "index built in h", "servers")
    each, law = figures["bytes"], figures["laws"]
    return (
        f"{markdown_table(header, rows)}\n\n"
        f"Bytes of a vector of {figures['dimension']} values: {each['copy']:.0f} in the device's copy (four for each value), "
        f"{each['table']:.0f} in the table, {each['index']:.0f} in the index, of which its links are 6 · 16 · (2 + 1/15) = "
        f"{each['links']:.0f}. Exact: {law['start']:.2f} ms + {law['per_million']:.0f} ms for each million, which is "
        f"{each['copy'] / law['per_million']:.1f} GB/s; index: {law['index_start']:.2f} ms + {law['index_per_e']:.2f} ms · ln N. Building "
        f"grows with N · ln N. A server has {SERVER_MEMORY / 1e9:.0f} GB of memory, which hold table and index. Recall beyond the measured "
        "sizes is not known, and an exact search of more vectors than memory holds takes as long as the disk."
    )


def _chosen(row: Figures) -> Figures:
    return next(each for each in row["index"]["asked"] if each["asked"] == row["index"]["chosen"])


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _megabytes(count: float | None) -> str:
    return "" if count is None else f"{count / 1e6:,.0f}"


def _times(spread: Figures) -> tuple[str, str]:
    return f"{spread['p50']:.1f}", f"{spread['p95']:.1f}"
