"""Two daemons on one ledger: the second refuses, and the first does not notice."""

from __future__ import annotations

from reid_edge_benchmarks.reliability.arriving import lay
from reid_edge_benchmarks.reliability.conservation import prove
from reid_edge_benchmarks.reliability.daemon import running
from reid_edge_benchmarks.reliability.outcome import Fault, Outcome, Place, Tally
from reid_edge_benchmarks.reliability.photos import frames

SMALL, FULL = 2, 20  # times a second daemon is started
_PATIENCE = 60.0


def run(place: Place, full: bool) -> Outcome:
    """Start more and more daemons; then kill the first, and one more may begin."""
    tally = Tally()
    folder, out = place.fresh("two-incoming"), place.fresh("two") / "out"
    put_in = lay(folder / "camera", frames(6))
    with running(place.daemon([folder], out)) as first:
        first.until(lambda state: len(state.decided) >= 1, _PATIENCE)
        for number in range(FULL if full else SMALL):
            put_in |= lay(folder / f"more-{number}", frames(2, first=100 + 2 * number))
            second = place.daemon([folder], out)
            code = second.start().wait(_PATIENCE)
            said = second.log.read_text(encoding="utf-8").strip()
            tally.add("second daemons refused", int(code != 0))
            tally.figures["what it says"] = said.splitlines()[0].replace(str(out), "OUT") if said else ""
            tally.expect(code == 4, f"The second daemon ended with {code}, not 4.")
            tally.expect("Another" in said and str(out) in said and "Traceback" not in said, f"It says: {said!r}")
            tally.expect(first.running, "The first daemon ended.")
        first.until(lambda state: len(state.decided) == len(put_in), _PATIENCE)
        first.kill()
    place.daemon([folder], out).finish(_PATIENCE)  # after a kill of the first, another can begin at once
    tally.conserved(prove(out, put_in))
    return tally.outcome()


FAULT = Fault(
    "two-daemons",
    "Two daemons on one ledger",
    "the second ends with a clear error; the first goes on",
    run,
)
