"""SLIs from samples and from Prometheus."""
