"""Leave out scenarios with a harness.yaml of their own, which says how to run them."""

collect_ignore = ["gateway"]
