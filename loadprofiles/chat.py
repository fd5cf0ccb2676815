"""Users of a Socket.IO service: each keeps one WebSocket open and sends messages that the service acknowledges.

Locust counts sending a message (``WSE say``, without a latency) and the round trip (``WSC say``). A WebSocket has no
response headers, so the arm of a message is unknown: send the load to the address of each version instead.
"""

from locust import between, task
from locust.contrib.socketio import SocketIOUser

LOADPROFILE = {"rate": 20, "duration": "30s"}


class Chatter(SocketIOUser):
    """Connects once and then sends messages."""

    wait_time = between(1, 2)

    def on_start(self):
        """Open the WebSocket."""
        self.sio.connect(self.host, transports=["websocket"], wait_timeout=5)

    @task
    def say(self):
        """Send one message and wait for its acknowledgement."""
        self.sio.call("say", {"text": "hello"}, timeout=5)

    def on_stop(self):
        """Close the WebSocket."""
        self.sio.disconnect()
