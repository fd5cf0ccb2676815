"""Child processes that never outlive this process, free TCP ports, and signal handling."""
