"""Stand-ins for local models: tiny models made on the spot, an engine without processes, a catalogue without a store."""
