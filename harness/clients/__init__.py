"""The only modules that use vendor libraries: processes, Envoy, Prometheus, Kubernetes and Parquet files."""
