"""What one machine carries: load, probes, phases and prediction, behind `awry bench capacity` and `awry size`."""
