"""The program that runs inside the Locust child process. Nothing else may import it: it needs gevent."""
