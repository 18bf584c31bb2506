"""The hot route: chat requests whose bytes go through as they are, in front of the framework."""
