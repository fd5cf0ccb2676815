"""The only doors to vendors and the outside: child processes, Envoy, Prometheus, Kubernetes."""
