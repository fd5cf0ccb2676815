"""The Envoy process, its admin port and its binary."""
