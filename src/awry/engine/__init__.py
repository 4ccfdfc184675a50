"""The hot path: intake, pipeline, rules, incidents, checkpoints and replay; knows doors, not adapters."""
