"""Compare a gallery with itself: individuals that may be one, individuals that may be two, photos that do not fit."""

from reid_edge.audit.audit import Audit, AuditReport
from reid_edge.audit.findings import Finding
from reid_edge.audit.pairs import PhotoPair

__all__ = ["Audit", "AuditReport", "Finding", "PhotoPair"]
