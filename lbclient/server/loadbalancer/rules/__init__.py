"""Rules that concern more than one field, or more than one row: plain functions, a module a noun."""
