"""The only reader of configuration files."""
