"""The data plane: HAProxy processes and relays that run the load balancers in the store."""
