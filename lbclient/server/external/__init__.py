"""Services of others that are used instead of the ones beside this API: a Keystone, a Barbican."""
