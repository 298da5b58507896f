"""Load balancers as OpenStack has them: a command line, a REST client, and a reference server."""

__version__ = "0.1.0"
