"""The key manager (Barbican v1), as far as load-balancing clients need it."""
