"""The reference of the Python interface, made from its docstrings: ``python -m reid_edge.cli.api_reference > docs/api.md``."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

import reid_edge

_HEAD = f"""# Python interface

Made by `python -m reid_edge.cli.api_reference`; a test keeps it up to date and runs its examples.

    import reid_edge

What this page names is the public interface of reid-edge {reid_edge.__version__}; import it from `reid_edge` itself. Every other module,
and every name that is not on this page, is private and may change in any release. The interface follows semantic versioning: a
release that breaks a program written by this page raises the first number (before 1.0.0 the second), one that adds to it the second,
one that only mends the third. The decision's JSON has a version of its own, its `schema`.

Paths are strings or `pathlib.Path`. Everything raises a `ReidEdgeError` for bad input, with a `hint` that says what to do.
"""
_SECTION = re.compile(r"(Args|Attributes|Returns|Raises|Example):$")
_ENTRY = re.compile(r"    ([\w, ]+): (.*)")


def reference() -> str:
    """Every exported name with its docstring, as Markdown."""
    return "\n".join([_HEAD, *(part for name in reid_edge.__all__ for part in _described(name, getattr(reid_edge, name)))])


def examples() -> Iterator[tuple[str, str]]:
    """The name and the docstring of everything that shows an example."""
    for name in reid_edge.__all__:
        value = getattr(reid_edge, name)
        documented = [(name, value), *((f"{name}.{member}", each) for member, each in _members(value))]
        for full_name, each in documented:
            text = inspect.getdoc(each) or ""
            if ">>>" in text:
                yield full_name, text


def _described(name: str, value: Any) -> Iterator[str]:
    yield f"## {name}\n"
    if not inspect.isclass(value) or dataclasses.is_dataclass(value):
        yield f"```python\n{name}{_signature(value)}\n```\n"
    yield _markdown(inspect.getdoc(value) or "")
    for member, each in _members(value):
        form = "" if isinstance(each, property) else _signature(each)
        yield f"### {name}.{member}\n\n```python\n{name}.{member}{form}\n```\n"
        yield _markdown(inspect.getdoc(each) or "")


def _members(value: Any) -> list[tuple[str, Any]]:
    """Public methods and properties of a class, in the order of the source, inherited ones last; not `of`, which takes private types."""
    if not inspect.isclass(value) or issubclass(value, BaseException):
        return []
    found: dict[str, Any] = {}
    for owner in value.__mro__:
        for name, member in vars(owner).items():
            plain = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
            if not name.startswith("_") and name != "of" and (inspect.isfunction(plain) or isinstance(plain, property)):
                found.setdefault(name, plain)
    return list(found.items())


def _signature(value: Any) -> str:
    """Parameters on one line where they fit, else one a line; without quotes around types, and without self."""
    signature = inspect.signature(value)
    parameters = [_parameter(each) for name, each in signature.parameters.items() if name not in ("self", "cls")]
    given = f" -> {signature.return_annotation}" if isinstance(signature.return_annotation, str) else ""
    line = f"({', '.join(parameters)}){given}"
    return line if len(line) < 100 else "(\n" + "".join(f"    {each},\n" for each in parameters) + f"){given}"


def _parameter(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
    return f"{parameter.name}: {parameter.annotation}{default}"


def _markdown(text: str) -> str:
    """A docstring as Markdown: arguments as a list, an example as code."""
    lines: list[str] = []
    section = ""
    for line in text.replace("``", "`").splitlines():
        if header := _SECTION.fullmatch(line):
            section = header[1]
            lines += ["```python"] if section == "Example" else [f"{section}:", ""]
        elif section == "Example":
            lines.append(line[4:])
        elif section and (entry := _ENTRY.fullmatch(line)) and section != "Returns":
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif section and line:
            lines.append(f"  {line.strip()}" if section != "Returns" else line.strip())
        else:
            lines.append(line)
    if section == "Example":
        lines.append("```")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
