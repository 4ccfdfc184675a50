"""Awry: real-time anomaly detection for operational metrics."""
