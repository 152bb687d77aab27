"""The type of a progress bar, as `reid_edge.cli.progress` has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Progress = Callable[..., Iterable[Any]]
"""Wraps a list, with a word for what is done; a third argument is the length of an iterable that has none."""
