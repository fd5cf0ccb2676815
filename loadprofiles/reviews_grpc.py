"""Users of a gRPC service: each asks for the reviews of a book.

With the stubs that protoc generates, set ``stub_class = ReviewsStub`` and call ``self.stub.Get(GetRequest(...))``. This
profile needs no generated code: it sends the message as protobuf encodes it, field 1 with the number of the book.
Needs grpcio: pip install 'canary-harness[grpc]'
"""

from locust import constant, task

from harness.load.users.grpc import GrpcUser

LOADPROFILE = {"rate": 50, "duration": "30s"}


class Reader(GrpcUser):
    """Reads one book after the other."""

    wait_time = constant(0)
    book = 0

    @task
    def read(self):
        """Call one method; an error of the service is recorded, and the next call goes on."""
        self.book = self.book % 100 + 1
        self.client.call("/shop.Reviews/Get", bytes([0x08, self.book]))
