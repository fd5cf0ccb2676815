"""The Kubernetes Gateway API as a routing API: HTTPRoutes of a Service (mesh) or of a Gateway."""
