"""User classes for profiles that need more requests per core than Locust's FastHttpUser can send.

``harness.load.users.curl.CurlUser`` is the one to use. ``harness.load.users.lean.LeanUser`` is an extra that nothing in
the harness imports: it is faster, but speaks only plain HTTP/1.1. Both fire Locust's ``request`` event, as every User
does. Import them only in a locustfile, because they need gevent.
"""
