"""Who is asking: users, sessions, API keys, first-start setup, audit."""
