"""Tuning: plans for many networks, chosen by the clock, once, ahead of time."""

from tnconv.tuning.door import tune
from tnconv.tuning.outcome import Failure, Outcome
from tnconv.tuning.recorded import record
from tnconv.tuning.report import Report

__all__ = ["Failure", "Outcome", "Report", "record", "tune"]
