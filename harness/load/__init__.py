"""Send load with Locust in a child process, and read the samples that it records while it runs."""
