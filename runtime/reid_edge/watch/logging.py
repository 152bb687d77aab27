"""The daemon's log on stderr: one line a record, as text for people and journald or as JSON for machines.

Everything in `reid_edge.watch` logs to the logger of its module (`logging.getLogger(__name__)`); `set_up_logging` decides how it looks.
Facts beside the sentence go into `extra`: `log.warning("It cannot be read: %s", reason, extra={"photo": name})`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime, timezone

ROOT = "reid_edge.watch"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# What systemd-journald reads at the begin of a line, sd-daemon(3): the syslog priority.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))


def set_up_logging(kind: str) -> None:
    """Let the daemon log to stderr; may be called again while it runs, with the other kind.

    Args:
        kind: `text` or `json`.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else TextLines(for_journal=_stderr_is_journal()))
    logger = logging.getLogger(ROOT)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class TextLines(logging.Formatter):
    """`2026-11-21T19:04:30+00:00 warning: text`; for journald, which notes the time itself, `<4>text`."""

    def __init__(self, for_journal: bool = False) -> None:
        super().__init__()
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line, whatever a file name in it holds."""
        text = _one_line(_sentence(self, record))
        if self._for_journal:
            return f"<{next((p for level, p in _PRIORITIES if record.levelno >= level), 7)}>{text}"
        return f"{_at(record)} {record.levelname.lower()}: {text}"


class JsonLines(logging.Formatter):
    """One object a line: `at` (device's clock, UTC), `level`, `module`, `text`, and what the record has in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON in ASCII, so that bytes of file names that are no text do not break it."""
        line = {
            "at": _at(record),
            "level": record.levelname.lower(),
            "module": record.name.removeprefix(ROOT + "."),
            "text": _sentence(self, record),
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD and key not in line)
        return json.dumps(line, default=str)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # not generic at run time
    """A log that cannot be written (a full disk, a reader that went away) never stops the daemon."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: stderr itself is what failed."""


def _sentence(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    return f"{text}\n{formatter.formatException(record.exc_info)}" if record.exc_info and record.exc_info[0] else text


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _at(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")


def _stderr_is_journal() -> bool:
    """Whether systemd connected stderr with its journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
