"""What the gateway costs, beside its peers, in one run."""
