"""External services that replace the built-in ones: a Keystone, a Barbican."""
