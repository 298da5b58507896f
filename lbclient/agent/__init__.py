"""The agent: runs load balancers on a host of its own, for a server on another."""
