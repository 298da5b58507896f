"""The REST client: what is said to a load-balancer API and to the services beside it."""
