"""The only modules that use vendor libraries and the operating system: processes, Envoy, Prometheus, Kubernetes, files."""
