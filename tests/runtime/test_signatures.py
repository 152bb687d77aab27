"""No function on the way of a photo takes more than five parameters: what belongs together travels as one object."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

RUNTIME = Path(__file__).resolve().parents[2] / "runtime" / "reid_edge"
MODULES = sorted(path for room in ("describe", "compare", "decide", "identify") for path in (RUNTIME / room).rglob("*.py"))
MOST = 5
INNER_LOOPS = {"_neighbourhoods", "_support", "_with_copies"}
"""Of AdaLAM: arrays of one computation, which no object would hold together."""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_no_function_takes_more_than_five_parameters(module: Path) -> None:
    functions = [node for node in ast.walk(ast.parse(module.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]
    parameters = {
        function.name: [each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
        for function in functions
    }
    counts = {name: len([each for each in names if each not in ("self", "cls")]) for name, names in parameters.items()}
    assert {name: count for name, count in counts.items() if count > MOST and name not in INNER_LOOPS} == {}
