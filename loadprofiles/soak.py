"""Steady readers for a long time: finds what leaks, fills up or slows down by and by."""

from random import randrange

from locust import constant, task

from harness.load.users.curl import CurlUser

LOADPROFILE = {"rate": 100, "duration": "60m", "arrivals": "poisson", "seed": 1, "warm_up": "60s"}


class Reader(CurlUser):
    """Reads the reviews of one product after another, on the cheaper client: an hour is long."""

    wait_time = constant(1)

    @task
    def read_reviews(self):
        """One product's reviews."""
        self.client.get(f"/reviews/{randrange(10)}", name="/reviews")  # noqa: S311
