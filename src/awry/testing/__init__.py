"""Public conformance suites: run them on your own detector before you ship it."""

from awry.testing.detector_check import check_detector

__all__ = ["check_detector"]
