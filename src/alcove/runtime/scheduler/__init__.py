"""Who gets which model when: queues, turns, memory, keep-alive."""
