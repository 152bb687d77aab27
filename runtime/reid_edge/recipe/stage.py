"""What all stages have in common: a key that a later version added does not show in the text of a recipe that does not use it.

Kept score tables are named by that text, so that what took hours to compute is found again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

LATER: Mapping[str, bool] = {"later": True}
"""The metadata of a field whose key was added after recipes had been in use."""


class Stage:
    """Base of the frozen dataclasses of a recipe, which are declared with ``repr=False``."""

    def __repr__(self) -> str:
        shown = (each for each in fields(self) if not (each.metadata.get("later") and getattr(self, each.name) == each.default))  # type: ignore[arg-type]
        return f"{type(self).__qualname__}({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in shown)})"
