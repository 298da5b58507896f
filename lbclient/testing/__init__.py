"""Helpers for tests of programs that use load balancers: a server, a project for each test, and a pytest plugin."""
