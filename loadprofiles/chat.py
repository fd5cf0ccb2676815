"""Users of a Socket.IO service: each keeps one WebSocket and sends a message that the service acknowledges.

Locust counts sending (``WSE say``, without a latency) and the way there and back (``WSC say``). There are no
response headers on a WebSocket, so no arm is known: compare by the address of a version, not by its mark.
"""

from locust import between, task
from locust.contrib.socketio import SocketIOUser

LOADPROFILE = {"rate": 20, "duration": "30s"}


class Chatter(SocketIOUser):
    """Connects once, then says something again and again."""

    wait_time = between(1, 2)

    def on_start(self):
        """Open the WebSocket."""
        self.sio.connect(self.host, transports=["websocket"], wait_timeout=5)

    @task
    def say(self):
        """One message, answered by an acknowledgement."""
        self.sio.call("say", {"text": "hello"}, timeout=5)

    def on_stop(self):
        """Close it."""
        self.sio.disconnect()
