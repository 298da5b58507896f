"""Addresses that two hosts share by VRRP: the configuration of keepalived, and its process."""
