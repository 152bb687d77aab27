"""The findings of an audit as a list to work off: the comparison runs in the background and continues where it was stopped."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from reid_edge.audit import Audit, AuditReport, Finding
from reid_edge.errors import ReidEdgeError
from reid_edge.gallery import Gallery
from reid_edge.review.identification import Identification

log = logging.getLogger(__name__)

_LEAST_PROBABILITY = 0.2


@dataclass(frozen=True)
class AuditState:
    """How far the audit is.

    Attributes:
        running: whether photos are being compared.
        compared, total: photos.
        error: why it stopped; '' where it did not.
        report: what was found; None until it has ended once.
    """

    running: bool = False
    compared: int = 0
    total: int = 0
    error: str = ""
    report: AuditReport | None = None


class AuditList:
    """One audit at a time, of the whole gallery."""

    def __init__(self, identification: Identification) -> None:
        self._identification = identification
        self._lock = threading.Lock()
        self._state = AuditState()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> AuditState:
        """How far it is."""
        with self._lock:
            return self._state

    def start(self) -> None:
        """Compare what is not compared yet; does nothing while that goes on."""
        with self._lock:
            if self._state.running:
                return
            self._state = AuditState(running=True, report=self._state.report)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the photo that is being compared; the next start continues there."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            report = self._compared()
        except ReidEdgeError as error:
            self._set(AuditState(error=f"{error.message} {error.hint}".strip()))
            return
        except Exception as error:  # the page would show for ever that it is running
            log.exception("The audit stopped.")
            self._set(
                AuditState(error=f"The audit stopped because of a fault in the program ({error!r}); the log has the details.")
            )
            return
        self._set(AuditState(report=report))

    def _compared(self) -> AuditReport | None:
        with self._identification.session() as session:
            audit = Audit(session.gallery, session.identifier)
            remaining = audit.remaining
        total = audit.compared + len(remaining)
        for number, sighting in enumerate(remaining):
            if self._ended.is_set():
                return None
            self._set(AuditState(running=True, compared=total - len(remaining) + number, total=total))
            with self._identification.session():  # one photo at a time, so that others get their turn
                audit.compare(sighting)
        with self._identification.session():
            return audit.report(_LEAST_PROBABILITY)

    def _set(self, state: AuditState) -> None:
        with self._lock:
            self._state = state


def is_settled(finding: Finding, names: set[str], different: set[frozenset[str]]) -> bool:
    """Whether a finding is worked off: one of its individuals is no longer there, or a person said that the two are different.

    Args:
        finding: of an audit.
        names: of the catalogue.
        different: pairs of them, see `different_individuals`.
    """
    return not set(finding.individuals) <= names or (finding.kind == "may-be-one" and frozenset(finding.individuals) in different)


def different_individuals(gallery: Gallery) -> set[frozenset[str]]:
    """The pairs of individuals of which a person said that they are not one."""
    answers = gallery.pair_answers("individuals")
    return {frozenset((*each.first, *each.second)) for each in answers if each.answer == "different"}
