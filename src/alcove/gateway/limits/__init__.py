"""Who may use how much of which models: checked before a call, counted after it."""
