"""Release on a cluster: arms are copies of the running Deployment, and the image's digest is pinned."""

from harness.release.cluster.world import ClusterWorld

__all__ = ["ClusterWorld"]
