"""Meshes: the same Istio resources given to a Kubernetes cluster or to Envoy processes on this machine."""
