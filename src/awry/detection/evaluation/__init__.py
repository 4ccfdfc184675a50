"""How good a detector is: scorers against labelled truth; for benches and for whoever compares detectors."""
