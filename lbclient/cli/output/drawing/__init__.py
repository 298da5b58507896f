"""Pictures of a load balancer: one diagram, and each way to draw it."""
