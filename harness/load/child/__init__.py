"""The program that runs inside the Locust child process. It needs gevent, so nothing else may import it."""
