"""The ``harness`` command: one module a subcommand."""
