"""Detectors: sentinels, default risk, learning, assessment."""
