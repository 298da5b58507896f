"""The commands of each resource, one file per noun."""
