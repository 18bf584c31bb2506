"""What every room shares: errors, ids, time, chat and stream types, the two ports and the turn. Pure Python, no framework."""
