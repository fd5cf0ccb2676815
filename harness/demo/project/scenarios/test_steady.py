"""Nothing is broken here: is the canary as good as the running build?"""


def test_canary_is_no_worse_in_steady_state(canary):
    """reviews answers as fast and as reliably in the new build as in the running one."""
    canary.run(load="browse").require_pass()
