"""How far to believe log-odds: slope and offset learnt label by label (Platt's form).

Slope and offset are those of an extended Kalman filter of a logistic regression (Spiegelhalter and
Lauritzen, 1990): each label moves them by their uncertainty, which shrinks with what was learnt, so
no learning rate has to be chosen.
"""

from msgspec import Struct

from detectors.default_risk import Calibration, sigmoid

SLOPE_VARIANCE = 0.04
"""The slope is believed to be 1, give or take 0.2, before any label ..."""
OFFSET_VARIANCE = 1.0
"""... and the offset 0, give or take 1: the base rate may well be another."""
SLOPE_MIN = 0.05
"""A slope at or below 0 would turn the ranking round."""
PARAMETERS = {"slope_variance": SLOPE_VARIANCE, "offset_variance": OFFSET_VARIANCE}


class Platt(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is believed of slope and offset, and how firmly."""

    slope: float = 1.0
    offset: float = 0.0
    slope_variance: float = SLOPE_VARIANCE
    offset_variance: float = OFFSET_VARIANCE
    covariance: float = 0.0

    def probability(self, log_odds: float) -> float:
        """The calibrated probability."""
        return sigmoid(self.slope * log_odds + self.offset)

    def learn(self, log_odds: float, label: bool) -> None:
        """Learn from what was said of one merchant before its outcome was known."""
        said = self.probability(log_odds)
        by_slope = self.slope_variance * log_odds + self.covariance
        by_offset = self.covariance * log_odds + self.offset_variance
        information = max(said * (1 - said), 1e-6)
        gain = 1 / (1 / information + by_slope * log_odds + by_offset)
        step = (label - said) / information * gain
        self.slope = max(self.slope + by_slope * step, SLOPE_MIN)
        self.offset += by_offset * step
        self.slope_variance -= by_slope * by_slope * gain
        self.offset_variance -= by_offset * by_offset * gain
        self.covariance -= by_slope * by_offset * gain

    def of(self, before: Calibration) -> Calibration:
        """The calibration that has the effect of ``before`` and then of this."""
        return Calibration(
            slope=self.slope * before.slope, offset=self.slope * before.offset + self.offset
        )
