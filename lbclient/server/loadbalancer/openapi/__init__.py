"""The OpenAPI document of the load-balancer API, generated from the resources and the routes, and its HTML page."""
