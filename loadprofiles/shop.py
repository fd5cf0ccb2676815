"""Customers of the demo's product page with a session each: they log in once, look, think, look again and leave.

Each keeps its own cookies and remembers what it has seen. Think time is for the closed model (``--users``);
in the open model arrivals decide when the next step is done, and the state is kept just the same.
"""

from random import choice

from locust import HttpUser, SequentialTaskSet, between, task

LOADPROFILE = {"rate": 20, "duration": "30s", "arrivals": "poisson", "seed": 1}


class Visit(SequentialTaskSet):
    """One visit, step by step."""

    @task
    def look_around(self):
        """The page with all products."""
        self.client.get("/productpage", name="/productpage")

    @task
    def read_on(self):
        """Something this customer has not read yet; when all is read, start again."""
        unread = [number for number in range(3) if number not in self.user.read] or [0]
        product = choice(unread)  # noqa: S311
        self.user.read.add(product)
        self.client.get(f"/api/v1/products/{product}", name="/api/v1/products/{id}")

    @task
    def leave(self):
        """The visit is over; the customer stays logged in."""
        self.interrupt()


class Customer(HttpUser):
    """Logs in once; requests keeps the session's cookie."""

    wait_time = between(1, 3)
    tasks = [Visit]  # noqa: RUF012 - Locust's way

    def on_start(self):
        """Log in under a name of one's own."""
        self.read = set()
        self.client.post("/login", data={"username": f"customer-{id(self)}", "passwd": "x"}, name="/login")
