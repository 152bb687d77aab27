"""Mutation testing of the modules that decide: small changes to the code, each of which some test of that code should notice.

    pip install 'mutmut>=3.8,<4'
    python tests/mutants.py [MODULE ...]

Lays a copy of the code and of these tests out as mutmut wants it, in a temporary folder (or in --folder, which is used again), runs it,
and prints what nobody noticed. A copy, so that nothing here is ever changed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ROOTS = {"reid_edge": "runtime", "reid_edge_export": "export", "reid_edge_calibration": "calibration"}
MODULES = {
    "reid_edge/decide/verdict.py": ["tests/runtime/decide/test_verdict*.py"],
    "reid_edge/decide/ranking.py": ["tests/runtime/decide/test_ranking*.py", "tests/runtime/decide/test_verdict*.py"],
    "reid_edge/decide/consensus.py": ["tests/runtime/decide/test_consensus*.py"],
    "reid_edge/decide/calibration/evidence.py": ["tests/runtime/decide/calibration/test_evidence*.py"],
    "reid_edge/decide/combining.py": ["tests/runtime/decide/test_combining*.py"],
    "reid_edge/decide/apart.py": ["tests/runtime/decide/test_combining*.py"],
    "reid_edge/watch/intake/settling.py": ["tests/runtime/watch/intake/test_settling*.py"],
    "reid_edge_calibration/metrics.py": ["tests/calibration/test_metrics*.py"],
}
"""By module that is changed: its own tests."""
NOTICED = ("killed", "timeout", "segfault")


def main() -> int:
    """Run mutmut; returns 0 whatever it finds, since what survives is for a person to read."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help=f"a part of a path: {', '.join(MODULES)}; all of them if none"
    )
    parser.add_argument("--folder", type=Path, help="where to work, and find mutants/ afterwards; a temporary folder by default")
    parser.add_argument("--children", type=int, default=os.cpu_count(), help="mutants tried at once")
    arguments = parser.parse_args()
    chosen = [module for module in MODULES if not arguments.modules or any(part in module for part in arguments.modules)]
    with tempfile.TemporaryDirectory(prefix="reid-edge-mutants-") as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        _lay_out(folder, chosen)
        mutmut = [sys.executable, "-m", "mutmut"]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(folder / "src")))),
        }
        subprocess.run([*mutmut, "run", "--max-children", str(arguments.children)], cwd=folder, env=environment, check=True)
        _tell(folder, mutmut, environment)
    return 0


def _lay_out(folder: Path, modules: list[str]) -> None:
    tests = sorted({path for module in modules for pattern in MODULES[module] for path in REPOSITORY.glob(pattern)})
    for name in ("src", "tests", "mutants"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for package, root in ROOTS.items():
        shutil.copytree(REPOSITORY / root / package, folder / "src" / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*tests, *(REPOSITORY / "tests").rglob("conftest.py"), REPOSITORY / "tests/programs.txt"]:
        target = folder / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    settings = {
        "source_paths": ["src"],
        "only_mutate": [f"src/{module}" for module in modules],
        "pytest_add_cli_args": ["--hypothesis-profile=mutants", "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": [str(path.relative_to(REPOSITORY)) for path in tests],
        "use_git_change_detection": False,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    pytest = '[tool.pytest.ini_options]\naddopts = "--import-mode=importlib"'
    (folder / "pyproject.toml").write_text("\n".join(["[tool.mutmut]", *lines, pytest, ""]), encoding="utf-8")


def _tell(folder: Path, mutmut: list[str], environment: dict[str, str]) -> None:
    command = [*mutmut, "results", "--all", "true"]
    results = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    states = dict(line.strip().split(": ", 1) for line in results.stdout.splitlines() if ": " in line)
    unnoticed = [name for name, state in states.items() if state not in NOTICED]
    show = "import sys, mutmut.__main__ as mutmut\nfor name in sys.argv[1:]: mutmut.show.callback(name)"
    subprocess.run([sys.executable, "-c", show, *unnoticed], cwd=folder, env=environment, check=True)
    print(f"{len(states) - len(unnoticed)} of {len(states)} changes were noticed.")


if __name__ == "__main__":
    sys.exit(main())
