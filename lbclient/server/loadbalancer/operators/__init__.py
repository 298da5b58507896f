"""The resources of operators: amphorae, providers, flavors and availability zones."""
