"""Commands for several members or their connections: drain, undrain and set-all."""
