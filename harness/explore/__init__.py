"""Find the smallest fault that each arm does not withstand: its breaking point."""
