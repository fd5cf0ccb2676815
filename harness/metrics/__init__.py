"""What the server side measured during a run: the series of indicators, and the hops that explain a difference."""
