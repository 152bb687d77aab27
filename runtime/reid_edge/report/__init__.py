"""The evidence behind answers as one self-contained HTML page: photos side by side, matched points, scores."""

from reid_edge.report.page import Report

__all__ = ["Report"]
