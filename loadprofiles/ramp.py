"""A growing number of readers, to find the rate at which a service begins to slow down or fail."""

from random import randrange

from locust import FastHttpUser, constant, task

LOADPROFILE = {
    "rate": [
        [10, 20],  # seconds, requests per second
        [60, 20, 400],  # seconds, from, to
        [20, 400],
    ],
    "warm_up": "10s",
}


class Reader(FastHttpUser):
    """Reads the reviews of one product after another."""

    wait_time = constant(1)

    @task
    def read_reviews(self):
        """Read one product's reviews."""
        self.client.get(f"/reviews/{randrange(10)}", name="/reviews")  # noqa: S311
