"""Well-known detectors behind the same door, one file each: baselines to measure against, and choices for some series."""
