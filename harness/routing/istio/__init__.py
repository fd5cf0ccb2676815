"""Pure functions over Istio resources: find, insert, remove, weigh, mark, check."""
