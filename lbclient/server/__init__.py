"""The reference server: a load-balancer API with identity and network beside it, on one port."""
