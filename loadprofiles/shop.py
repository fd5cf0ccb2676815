"""Customers of the demo's product page, each with a session: they log in once, look around, read on and leave.

Each customer keeps its own cookies and remembers which products it has seen. Think times apply only to the closed model
(``--users``). In the open model, arrivals decide when a customer takes the next step; its state is kept as well.
"""

from random import choice

from locust import HttpUser, SequentialTaskSet, between, task

LOADPROFILE = {"rate": 20, "duration": "30s", "arrivals": "poisson", "seed": 1}


class Visit(SequentialTaskSet):
    """One visit, step by step."""

    @task
    def look_around(self):
        """Open the page with all products."""
        self.client.get("/productpage", name="/productpage")

    @task
    def read_on(self):
        """Open a product that this customer has not read yet; start again when it has read all of them."""
        unread = [number for number in range(3) if number not in self.user.read] or [0]
        product = choice(unread)  # noqa: S311
        self.user.read.add(product)
        self.client.get(f"/api/v1/products/{product}", name="/api/v1/products/{id}")

    @task
    def leave(self):
        """End the visit; the customer stays logged in."""
        self.interrupt()


class Customer(HttpUser):
    """Logs in once; the client keeps the session's cookie."""

    wait_time = between(1, 3)
    tasks = [Visit]  # noqa: RUF012 - Locust's way

    def on_start(self):
        """Log in with a name of its own."""
        self.read = set()
        self.client.post("/login", data={"username": f"customer-{id(self)}", "passwd": "x"}, name="/login")
