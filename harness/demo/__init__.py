"""A demo application in the shape of Istio's Bookinfo: four small services, each its own process.

productpage asks details and reviews, reviews asks ratings; paths and answers are Bookinfo's, so its Istio files fit.
``harness.yaml`` in the root folder starts them with ``python -m harness.demo.<service> --port ...``.
"""
