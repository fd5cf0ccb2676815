"""Code that the parent and the Locust child share: the child's specification, command lines and sample files."""
