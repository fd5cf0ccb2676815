"""Users who read the reviews of a few products."""

from random import randrange

from locust import FastHttpUser, constant, task

LOADPROFILE = {"rate": 50, "duration": "30s", "body_bytes": 300}


class Reader(FastHttpUser):
    """Reads the reviews of one product after another."""

    wait_time = constant(1)

    @task
    def read_reviews(self):
        """Read one product's reviews; all products share one name in the statistics."""
        self.client.get(f"/reviews/{randrange(10)}", name="/reviews")  # noqa: S311
