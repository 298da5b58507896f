"""Sealing and reading certificates and keys. No HTTP."""
