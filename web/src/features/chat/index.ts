/** Not built yet. */
export function NewChatPage() {
  return null;
}

/** Not built yet. */
export function ChatPage() {
  return null;
}

