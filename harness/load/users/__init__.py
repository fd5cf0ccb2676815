"""Fast User classes for profiles that want more requests per core than FastHttpUser gives.

``harness.load.users.curl.CurlUser`` and ``harness.load.users.lean.LeanUser`` fire Locust's ``request``
event as every other User does. Import them in a locustfile only: they need gevent.
"""
