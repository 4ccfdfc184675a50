"""What of OpenTelemetry metrics is kept unless the settings say otherwise; apart from the decoder, which is slow to load."""

QUANTILES = (0.5, 0.9, 0.99)
"""Quantiles estimated from histograms."""
RESOURCE_ATTRIBUTES = (
    "service.name", "service.namespace", "service.instance.id", "host.name", "k8s.cluster.name", "k8s.namespace.name",
    "k8s.pod.name", "k8s.container.name", "k8s.node.name",
)  # fmt: skip
"""Resource attributes that become labels."""
