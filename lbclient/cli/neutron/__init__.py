"""The commands of networks, subnets and floating IPs."""
