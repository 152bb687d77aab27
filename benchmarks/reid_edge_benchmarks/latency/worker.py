"""One side of a measurement in a process of its own: photos come on stdin, times and answers go to stdout, a JSON object a line.

In its own process its start can be timed, its memory is separate, and thread pools of different libraries do not compete. The
runtime's side imports nothing but the runtime: a worker can be given an older checkout of it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from reid_edge.compare.comparison import Comparer
from reid_edge.decide.decision import Decision
from reid_edge.describe.query import Query
from reid_edge.errors import PhotoError, ReidEdgeError
from reid_edge.identify.session import Session
from reid_edge.photo import read_photo
from reid_edge.timings import Timings
from reid_edge_benchmarks.latency.plain import PlainAnswer, is_calibrated, undecided
from reid_edge_benchmarks.memory import memory_now, peak_memory

Stages = dict[str, float]


class Side(Protocol):
    """What a worker runs."""

    def ask(self, photos: Sequence[Mapping[str, str]]) -> tuple[list[PlainAnswer], Stages]:
        """Answer photos (path, species, viewpoint) in one call: one answer per animal, and milliseconds by stage, of all photos."""


class Runtime:
    """reid-edge itself."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._decides = is_calibrated(session.identifier)

    def ask(self, photos: Sequence[Mapping[str, str]]) -> tuple[list[PlainAnswer], Stages]:
        """See `Side.ask`."""
        answers: list[PlainAnswer] = []
        stages: Stages = {}
        for path, found, milliseconds in self._answered(photos):
            answers += [{"photo": path, **answer} for answer in found]
            for name, value in milliseconds.items():
                stages[name] = stages.get(name, 0.0) + value
        return answers, stages

    def _answered(self, photos: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, list[PlainAnswer], Stages]]:
        """Per photo its path, answers and milliseconds by stage."""
        queries = [Query(photo["species"], photo["viewpoint"]) for photo in photos]
        paths = [photo["path"] for photo in photos]
        if not self._decides:
            for path, query in zip(paths, queries, strict=True):
                timings = Timings()
                yield path, self._undecided(path, query, timings), timings.milliseconds
        # Several photos of one query take the way of a folder, in checkouts that have it.
        elif len(photos) > 1 and len(set(queries)) == 1 and hasattr(self._session, "identify_each"):
            for place, answered in self._session.identify_each(map(Path, paths), queries[0]):
                if isinstance(answered, PhotoError):
                    raise answered
                yield str(place), [_plain(decision) for decision in answered[1]], dict(answered[1][0].timings_ms)
        else:
            for path, query in zip(paths, queries, strict=True):
                decisions = self._session.identify(Path(path), query)
                yield path, [_plain(decision) for decision in decisions], dict(decisions[0].timings_ms)

    def _undecided(self, path: str, query: Query, timings: Timings) -> list[PlainAnswer]:
        """As far as a pack that is not calibrated comes: to the scores."""
        identifier, candidates = self._session.identifier, self._session.candidates
        with timings.stage("decode"):
            photo = read_photo(Path(path))
        selection = candidates.select(query)
        animals = identifier.describe(photo, selection.query, timings)
        comparer = Comparer(identifier.recipe, identifier.networks, candidates)
        return [undecided(comparer.compare(each.features, selection, timings), candidates) for each in animals]


def _plain(decision: Decision) -> PlainAnswer:
    return {
        "verdict": decision.verdict,
        "probability": decision.probability,
        "ranking": [
            {
                "identity": ranked.identity,
                "sighting": ranked.sighting,
                "raw": {score.name: score.raw for score in ranked.scores if score.raw is not None},
            }
            for ranked in decision.ranking
        ],
    }


def open_side(wanted: Mapping[str, Any]) -> tuple[Side, dict[str, Any]]:
    """The side that is wanted, ready but for what it loads with its first photo, and what it runs on.

    Args:
        wanted: ``side`` (runtime, torch or wildfusion), ``gallery``, ``pack``, ``device``, ``threads``, and ``early_exit``: False lets the
            last matcher see all candidates that the recipe gives it.

    Raises:
        ReidEdgeError: it cannot be opened.
    """
    session = Session.open(Path(wanted["gallery"]), wanted["pack"], wanted["device"], wanted["threads"])
    if not wanted["early_exit"]:
        recipe = session.identifier.recipe
        always = tuple(replace(match, in_doubt=False) for match in recipe.match)
        session.identifier.recipe = replace(recipe, early_exit=None, match=always)
    device = session.identifier.networks.device
    facts = {"provider": device.provider, "threads": device.threads}
    if wanted["side"] == "runtime":
        return Runtime(session), facts
    facts["provider"] = "PyTorch, eager, on the processor"
    if wanted["side"] == "torch":
        from reid_edge_benchmarks.latency.torch_reference import TorchReference

        return TorchReference(session), facts
    from reid_edge_benchmarks.latency.wildfusion import WildFusion

    return WildFusion(session), facts


def main() -> None:
    """Serve until stdin ends. The first argument is `open_side`'s, as JSON."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no reply

    def reply(facts: Mapping[str, Any]) -> None:
        replies.write(json.dumps(facts) + "\n")
        replies.flush()

    try:
        side, facts = open_side(json.loads(sys.argv[1]))
        reply({"ready": facts})
        for line in sys.stdin:
            cpu, start = time.process_time(), time.perf_counter()
            answers, stages = side.ask(json.loads(line))
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            reply(
                {
                    "seconds": seconds,
                    "cpu_seconds": cpu,
                    "stages": stages,
                    "answers": answers,
                    "peak_bytes": peak_memory(),
                    "memory": memory_now(),
                }
            )
    except ReidEdgeError as error:
        reply({"error": error.message, "hint": error.hint})


if __name__ == "__main__":
    main()
