"""What ``calibrate --report`` writes: what was fitted on what, how good it is, and why it was chosen, as one HTML page."""

from reid_edge_calibration.report.content import CalibrationReport, ReportedChoice, ReportedEntry, ReportedScore
from reid_edge_calibration.report.page import write_report

__all__ = ["CalibrationReport", "ReportedChoice", "ReportedEntry", "ReportedScore", "write_report"]
