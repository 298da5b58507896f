"""The REST client for a load-balancer API and the services beside it."""
