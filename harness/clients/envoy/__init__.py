"""Run Envoy: the process, its admin port and its binary."""
