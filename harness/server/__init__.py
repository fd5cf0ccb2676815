"""The server: pages for people, webhooks of registries and GitHub, and adapters for other tools.

``pages`` shows releases and runs, and stays on loopback. ``hooks`` and ``adapters`` listen on an address of their own;
what they accept becomes a ``Job``, and one job runs at a time. Needs the extra ``canary-harness[server]``.
"""
