"""The evidence of an answer that a person should look at, kept apart from it: the animal's outline and the matched points, compressed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from reid_edge.decide.decision import Decision

UNSURE = ("new", "ask")
"""The verdicts that a person should look at."""


def split_evidence(decision: Decision) -> tuple[dict[str, Any], bytes | None]:
    """A decision as plain data without evidence, and its evidence; None where it has none, or nobody need look."""
    plain = decision.as_json()
    outline = plain["animal"].pop("outline", None)
    matches = [ranked.pop("matches", []) for ranked in plain["ranking"]]
    if outline is None or decision.verdict not in UNSURE:
        return plain, None
    return plain, zlib.compress(json.dumps({"outline": outline, "matches": matches}, separators=(",", ":")).encode())


def join_evidence(plain: Mapping[str, Any], evidence: bytes | None) -> Decision:
    """The decision that `split_evidence` split; without evidence where that is None.

    Raises:
        UsageError: it is a decision of another version.
    """
    decision = dict(plain)
    if evidence is not None:
        parts = json.loads(zlib.decompress(evidence))
        decision["animal"] = {**plain["animal"], "outline": parts["outline"]}
        pairs = zip(plain["ranking"], parts["matches"], strict=True)
        decision["ranking"] = [{**ranked, "matches": matches} for ranked, matches in pairs]
    return Decision.from_json(decision)
