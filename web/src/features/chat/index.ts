export { chatListQuery } from "./api/chats";
export { ChatPage, NewChatPage } from "./ChatPage";
export { ChatHistory } from "./components/ChatHistory";
export { ChatSessionProvider } from "./session";
