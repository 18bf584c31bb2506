"""What was used: a row for every call, kept before the call is over, and the sums over them."""
