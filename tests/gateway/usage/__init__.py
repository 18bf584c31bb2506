"""Usage: what is kept of calls, and the sums over them."""
