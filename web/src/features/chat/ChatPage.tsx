import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { MessageCircleOff } from "lucide-react";
import { ApiProblem } from "@/lib/api";
import { EmptyState, ErrorNotice, Loading } from "@/ui";
import { chatQuery } from "./api/chats";
import { ChatHeader } from "./components/ChatHeader";
import { ChatView } from "./components/ChatView";
import { NewChatView } from "./components/NewChatView";

/** `/`: a new chat; `?collection=ID` begins it with that collection. */
export function NewChatPage() {
  const { collection } = useSearch({ strict: false });
  return <NewChatView key={collection ?? ""} collectionId={collection} />;
}

/** `/c/ID`: one chat. */
export function ChatPage() {
  const { chatId = "" } = useParams({ strict: false });
  const { data, error, refetch } = useQuery(chatQuery(chatId));
  if (data) return <ChatView key={chatId} detail={data} />;
  return (
    <>
      <ChatHeader chat={null} />
      {error === null ? (
        <Loading label="Loading the chat" />
      ) : error instanceof ApiProblem && error.status === 404 ? (
        <EmptyState
          icon={<MessageCircleOff size={22} />}
          title="This chat is not there"
          action={
            <Button component={Link} to="/">
              New chat
            </Button>
          }
        >
          It was deleted, or it belongs to somebody else.
        </EmptyState>
      ) : (
        <div className="mx-auto w-full max-w-lg px-4 py-10">
          <ErrorNotice error={error} title="The chat could not be loaded" onRetry={() => void refetch()} />
        </div>
      )}
    </>
  );
}
