"""The properties of the tests on other examples than `make test` tries: rounds with fresh seeds, until the time is over or one fails.

    python tests/fuzz.py --minutes 30

A property that fails prints its falsifying example and how to repeat it; Hypothesis keeps the example in .hypothesis/ and tries it first
the next time.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def main() -> int:
    """Run rounds; returns the exit code of pytest of the first round that fails, else 0."""
    parser = argparse.ArgumentParser(description="Try the properties of the tests with fresh seeds.")
    parser.add_argument("--minutes", type=float, default=10, help="start no further round after this time (default: 10)")
    parser.add_argument("pytest", nargs="*", metavar="ARGUMENT", help="of pytest, after --: files, -k, -n")
    arguments = parser.parse_args()
    given = arguments.pytest or [
        str(path) for path in sorted(TESTS.rglob("test_*.py")) if "hypothesis" in path.read_text("utf-8")
    ]
    end = time.monotonic() + 60 * arguments.minutes
    rounds = 0
    while rounds == 0 or time.monotonic() < end:
        rounds += 1
        seed = random.SystemRandom().randrange(2**32)
        print(f"Round {rounds}, seed {seed}", flush=True)
        options = ["-q", "-m", "hypothesis", "--hypothesis-profile=fuzz", f"--hypothesis-seed={seed}", "-p", "no:cacheprovider"]
        done = subprocess.run([sys.executable, "-m", "pytest", *options, *given], cwd=TESTS.parent, check=False)
        if done.returncode:
            print(f"Repeat this round with: {sys.executable} -m pytest {' '.join(options)} {' '.join(arguments.pytest)}")
            return done.returncode
    print(f"{rounds} rounds, nothing found.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
