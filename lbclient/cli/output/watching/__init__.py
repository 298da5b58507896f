"""Load balancers at work: what is counted, as rates, on a screen or in lines."""
