"""What implements the chats' ports."""
