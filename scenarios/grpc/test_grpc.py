"""Does the canary of a gRPC service cope as well as the running build when ratings is down?"""

from harness import abort


def test_reviews_over_grpc_survives_broken_ratings(canary):
    """The load is gRPC, the fault is in the HTTP calls that the service makes."""
    canary.run(load="reviews_grpc", faults=[abort("ratings", 503, percent=30)]).require_pass()
