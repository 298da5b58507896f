"""Writes: one transaction each, from the lock on the load balancer to the wake after the commit."""
