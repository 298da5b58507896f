"""The load-balancer API described: an OpenAPI document out of the resources and the table of routes, and its page."""
