"""A sudden peak, to see if a service copes with ten times its load for ten seconds and then recovers."""

from random import randrange

from locust import FastHttpUser, constant, task

LOADPROFILE = {
    "rate": [[20, 30], [1, 30, 300], [10, 300], [1, 300, 30], [30, 30]],
    "arrivals": "poisson",
    "seed": 1,
}


class Reader(FastHttpUser):
    """Reads the reviews of one product after another."""

    wait_time = constant(1)

    @task
    def read_reviews(self):
        """Read one product's reviews."""
        self.client.get(f"/reviews/{randrange(10)}", name="/reviews")  # noqa: S311
