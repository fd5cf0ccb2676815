"""Proof that a change is in force on a cluster: proxies, their counters, and probes."""
