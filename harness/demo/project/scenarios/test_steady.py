"""Without any fault, is the canary as good as the running build?"""


def test_canary_is_no_worse_in_steady_state(canary):
    """The new build of reviews answers as fast and as reliably as the running one."""
    canary.run(load="browse").require_pass()
