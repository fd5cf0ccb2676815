"""What the server side measured during a run: series from Prometheus for each arm."""

from harness.metrics.connection import connected
from harness.metrics.server_side import QUERIES, server_side_series

__all__ = ["QUERIES", "connected", "server_side_series"]
