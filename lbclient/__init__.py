"""lbclient: the load balancer command line, its REST client and its reference server."""

__version__ = "0.1.0"
