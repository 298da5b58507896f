"""Resources for operators: amphorae, providers, flavors and availability zones."""
