"""The one place that turns names in the configuration into concrete parts."""
