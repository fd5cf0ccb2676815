"""Does the canary cope as well as the running build when users come through the ingress gateway?"""

from harness import abort


def test_reviews_behind_its_gateway_survives_broken_ratings(canary):
    """The split is made at the gateway, where users are, and the fault between the sidecars."""
    canary.run(load="browse", faults=[abort("ratings", 503, percent=30)]).require_pass()
