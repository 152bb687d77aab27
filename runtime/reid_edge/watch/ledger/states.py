"""The states of a file, the transitions between them, and why a file is not answered: the daemon's state machine as codes.

found ─► SEEN ─► SETTLED ─► DECIDED
          ▲         │
          └─────────┴────► QUARANTINED        (a file that changes is SEEN again, from every state)
SEEN, SETTLED and QUARANTINED become GONE when the file vanishes while its folder is present.
"""

from __future__ import annotations

from enum import Enum


class FileState(str, Enum):
    """What is known of a file. The values are stored."""

    SEEN = "seen"  # present, and may still grow
    SETTLED = "settled"  # has not changed for long enough to be read
    DECIDED = "decided"  # its photo is answered
    QUARANTINED = "quarantined"  # cannot be answered; the reason is a `Reason`
    GONE = "gone"  # vanished before it was decided, while its folder was present


WAITING = (FileState.SEEN, FileState.SETTLED)
UNDECIDED = (*WAITING, FileState.QUARANTINED)


class Transition(Enum):
    """Every change of a file's state: from which states, and to which. `reid_edge.watch.ledger.files` makes each one in one place."""

    CHANGE = tuple(FileState), FileState.SEEN  # found with another size, time or inode, or found again
    SETTLE = (FileState.SEEN,), FileState.SETTLED
    PUT_BACK = (FileState.SETTLED,), FileState.SEEN  # it changed while it was read, or its folder went away
    DECIDE = (FileState.SETTLED,), FileState.DECIDED
    QUARANTINE = (FileState.SETTLED,), FileState.QUARANTINED
    REQUEUE = (FileState.QUARANTINED,), FileState.SEEN  # its reason may have passed
    VANISH = UNDECIDED, FileState.GONE

    def __init__(self, sources: tuple[FileState, ...], target: FileState) -> None:
        self.sources = sources
        self.target = target


class Reason(str, Enum):
    """Why a file is not answered. The values are stored, beside a sentence for people that nothing depends on."""

    NONE = ""
    BROKEN = "broken"  # not a photo that can be decoded
    DECODER_CRASHED = "decoder_crashed"  # decoding ended the decoder's process, or took too long
    UNREADABLE = "unreadable"  # the disk or the permissions refused
    NO_READER = "no_reader"  # the package that decodes its format is not installed
    DAEMON_DIED = "daemon_died"  # answering it ended the daemon's process
    ANSWER_FAILED = "answer_failed"  # describing or comparing it failed


MAY_PASS = (Reason.UNREADABLE, Reason.NO_READER)
"""Reasons that say nothing about the file's content: it is read again when its folder comes back, or the daemon starts."""
