import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Plus } from "lucide-react";
import { useUser } from "@/lib/api";
import { ErrorNotice, Loading } from "@/ui";
import { Panel } from "@/ui/Panel";
import { useUsers } from "../api/useUsers";
import { NewUserDialog } from "./NewUserDialog";
import { UserRow } from "./UserRow";

/** Who may sign in. */
export function UsersSection() {
  const [isCreating, creating] = useDisclosure(false);
  const query = useUsers();
  const me = useUser();
  const users = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <Panel
        title="Users"
        description="Each sees only their own chats, collections and keys. Administrators can open everyone’s traces, which hold questions and answers."
        actions={
          <Button leftSection={<Plus size={16} aria-hidden />} onClick={creating.open}>
            Add user
          </Button>
        }
        flush
      >
        {query.isPending ? (
          <Loading label="Loading users" />
        ) : query.isError && users.length === 0 ? (
          <div className="p-4">
            <ErrorNotice error={query.error} title="The users could not be loaded" onRetry={() => void query.refetch()} />
          </div>
        ) : (
          <ul aria-label="Users">
            {users.map((user) => (
              <UserRow key={user.id} user={user} isMe={user.id === me.id} />
            ))}
          </ul>
        )}
        {query.hasNextPage ? (
          <div className="border-t border-line p-3 text-center">
            <Button variant="default" size="xs" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              Show more
            </Button>
          </div>
        ) : null}
      </Panel>
      <NewUserDialog opened={isCreating} onClose={creating.close} />
    </>
  );
}
