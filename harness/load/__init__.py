"""Load: a Locust child process that sends it, and the samples it writes while it runs."""
