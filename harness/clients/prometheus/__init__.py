"""Client of Prometheus's HTTP API, and the only importer of prometheus-api-client."""

from harness.clients.prometheus.answers import Histogram, HistogramBucket, RangeResult
from harness.clients.prometheus.client import TIMEOUT_S, TRIES, Prometheus

__all__ = ["TIMEOUT_S", "TRIES", "Histogram", "HistogramBucket", "Prometheus", "RangeResult"]
