"""When ratings is slow or down, does the canary cope as well as the running build?"""

import pytest

from harness import abort, delay


@pytest.mark.parametrize("fault", [delay("ratings", "2s", percent=30), abort("ratings", 503, percent=30)], ids=str)
def test_reviews_survives_slow_or_broken_ratings(canary, fault):
    """reviews answers without stars when ratings is slow or down, no worse than the running build."""
    canary.run(load="browse", faults=[fault]).require_pass()
