"""A small web service, and a client that fetches from it."""

__version__ = "1.0"
