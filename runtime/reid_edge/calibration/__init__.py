"""Calibration: raw pair scores become probabilities, a ranking and a threshold, by numbers that the pack brings."""

from reid_edge.calibration.calibrator import Calibrator
from reid_edge.calibration.evidence import Evidence
from reid_edge.calibration.model import CalibrationModel, Entry, read_calibration

__all__ = ["CalibrationModel", "Calibrator", "Entry", "Evidence", "read_calibration"]
