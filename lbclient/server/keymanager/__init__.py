"""The key manager (Barbican v1) as far as clients of load balancers need it."""
