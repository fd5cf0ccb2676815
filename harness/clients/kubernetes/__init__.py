"""The only importers of the Kubernetes client library: JSON objects in and out."""
