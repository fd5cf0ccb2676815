"""A steady load for a long time, to find leaks, growing queues and gradual slowdowns."""

from random import randrange

from locust import constant, task

from harness.load.users.curl import CurlUser

LOADPROFILE = {"rate": 100, "duration": "60m", "arrivals": "poisson", "seed": 1, "warm_up": "60s"}


class Reader(CurlUser):
    """Reads the reviews of one product after another, with CurlUser because it needs less CPU for an hour of load."""

    wait_time = constant(1)

    @task
    def read_reviews(self):
        """Read one product's reviews."""
        self.client.get(f"/reviews/{randrange(10)}", name="/reviews")  # noqa: S311
