"""A demo application in Bookinfo's shape, with canaries that go wrong in known ways."""
