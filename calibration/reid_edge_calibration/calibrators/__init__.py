"""Calibrators: raw pair scores become probabilities, by four curves of which cross-validation chooses one."""

from reid_edge_calibration.calibrators.beta import fit_beta
from reid_edge_calibration.calibrators.choice import KINDS, FittedCalibrator, choose_calibrator
from reid_edge_calibration.calibrators.isotonic import fit_isotonic
from reid_edge_calibration.calibrators.knots import thin
from reid_edge_calibration.calibrators.logistic import fit_logistic
from reid_edge_calibration.calibrators.smooth import fit_smooth

__all__ = ["KINDS", "FittedCalibrator", "choose_calibrator", "fit_beta", "fit_isotonic", "fit_logistic", "fit_smooth", "thin"]
