"""What the servers' side says of a run: series from Prometheus, by arm."""

from harness.metrics.server_side import QUERIES, server_side_series

__all__ = ["QUERIES", "server_side_series"]
