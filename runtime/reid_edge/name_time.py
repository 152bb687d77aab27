"""The time of a photo from its file's name, for cameras that note none in the file: a pattern such as `IMG_%Y%m%d_%H%M%S`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from reid_edge.errors import UsageError

_DIRECTIVES = {"Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{1,2}", "d": r"\d{1,2}", "H": r"\d{1,2}", "M": r"\d{1,2}", "S": r"\d{1,2}"}
_TWO_DIGITS = r"\d{2}"
_HINT = (
    "Write %Y (or %y), %m, %d, %H and %M, and %S where the names have seconds, such as IMG_%Y%m%d_%H%M%S; * stands for any text."
)


@dataclass(frozen=True)
class NameTime:
    """A pattern that finds the time in the names of files.

    Attributes:
        pattern: text with the directives %Y %y %m %d %H %M %S, as of `strptime`, and `*` for any text. It may stand anywhere in the name.
    """

    pattern: str

    def __post_init__(self) -> None:
        """Check the pattern. Raises UsageError."""
        letters = re.findall("%(.?)", self.pattern.replace("%%", ""))
        unknown = [letter for letter in letters if letter not in _DIRECTIVES]
        missing = [letter for letter in "mdHM" if letter not in letters] or ["Y"] * ({"Y", "y"}.isdisjoint(letters))
        if unknown:
            raise UsageError(f"The pattern {self.pattern!r} for times in names has the unknown directive %{unknown[0]}.", _HINT)
        if missing:
            raise UsageError(f"The pattern {self.pattern!r} for times in names has no %{missing[0]}.", _HINT)
        if len(set(letters)) < len(letters):
            raise UsageError(f"The pattern {self.pattern!r} for times in names has a directive twice.", _HINT)

    def of(self, name: str) -> str | None:
        """`YYYY-MM-DDTHH:MM:SS`; None where the name does not follow the pattern, or holds no possible time."""
        for found in re.finditer(self._expression(), name, re.IGNORECASE):
            parts = {letter: int(value) for letter, value in found.groupdict().items()}
            year = parts["Y"] if "Y" in parts else 2000 + parts["y"]
            try:
                return datetime(year, parts["m"], parts["d"], parts["H"], parts["M"], parts.get("S", 0)).isoformat()
            except ValueError:
                continue
        return None

    def _expression(self) -> str:
        """The pattern as a regular expression; a directive beside another one has two digits (%Y four)."""
        parts = re.findall(r"%%|%.|\*|[^%*]+", self.pattern)
        expression = ""
        for number, part in enumerate(parts):
            if _is_directive(part):
                is_beside = any(_is_directive(parts[other]) for other in (number - 1, number + 1) if 0 <= other < len(parts))
                digits = _TWO_DIGITS if is_beside and part != "%Y" else _DIRECTIVES[part[1]]
                expression += f"(?P<{part[1]}>{digits})"
            else:
                expression += ".*?" if part == "*" else re.escape(part.replace("%%", "%"))
        before, after = (r"(?<!\d)" * _is_directive(parts[0]), r"(?!\d)" * _is_directive(parts[-1]))
        return before + expression + after


def _is_directive(part: str) -> bool:
    return part[0] == "%" and part != "%%"
