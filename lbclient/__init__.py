"""lbclient: the load balancer command line, its REST client and its reference server."""
