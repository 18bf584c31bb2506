"""Conversations as trees of messages, whose answers belong to the server."""
