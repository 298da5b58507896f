"""Authentication and authorization: the sender of a request, and the policy rules."""
