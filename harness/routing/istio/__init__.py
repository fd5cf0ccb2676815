"""Find, insert, remove, weight, mark and check parts of Istio resources, with pure functions."""
