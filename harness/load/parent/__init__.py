"""The parent side of load: start Locust, read its samples while it runs, report and prove what was sent."""
