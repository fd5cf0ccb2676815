"""What the parent and the Locust child share: the child's specification, its command lines and its sample files."""
