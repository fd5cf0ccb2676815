"""The parent side of load: start Locust, read its samples while it runs, report on the load and check it."""
