"""Prove that a change is in force on a cluster, with the proxies, their counters, and probes."""
