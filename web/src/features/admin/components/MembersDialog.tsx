import { Button, Modal, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { X } from "lucide-react";
import { everyoneQuery, type Group, messageOf } from "@/lib/api";
import { ErrorNotice, IconButton, Loading, notifyError } from "@/ui";
import { FormFailure } from "@/ui/FormFailure";
import { useAddMember } from "../api/useAddMember";
import { useGroupMembers } from "../api/useGroupMembers";
import { useRemoveMember } from "../api/useRemoveMember";

type MembersDialogProps = { group: Group; opened: boolean; onClose: () => void };

/** Who is in a group. */
export function MembersDialog({ group, opened, onClose }: MembersDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Members of ${group.name}`}>
      <Members group={group} />
    </Modal>
  );
}

function Members({ group }: { group: Group }) {
  const query = useGroupMembers(group.id);
  const everyone = useQuery(everyoneQuery);
  const add = useAddMember(group.id);
  const remove = useRemoveMember(group.id);
  const members = query.data?.pages.flatMap((page) => page.items) ?? [];
  const inside = new Set(members.map(({ id }) => id));
  const outside = (everyone.data ?? []).filter(({ id }) => !inside.has(id));
  return (
    <div className="space-y-4">
      <Select
        label="Add a person"
        placeholder={outside.length > 0 ? "Search by name or email" : "Everyone is in it"}
        data={outside.map(({ id, name, email }) => ({ value: id, label: `${name} (${email})` }))}
        searchable
        data-autofocus
        nothingFoundMessage="Nobody of that name"
        disabled={everyone.isPending || add.isPending}
        value={null}
        onChange={(id) => (id === null ? undefined : add.mutate(id))}
      />
      <FormFailure message={add.isError ? messageOf(add.error) : everyone.isError ? messageOf(everyone.error) : null} />
      {query.isPending ? <Loading label="Loading members" /> : null}
      {query.isError ? (
        <ErrorNotice error={query.error} title="The members could not be loaded" onRetry={() => void query.refetch()} />
      ) : null}
      {query.isSuccess && members.length === 0 ? <p className="text-sm text-ink-soft">Nobody is in it yet.</p> : null}
      {members.length > 0 ? (
        <ul aria-label="Members" className="divide-y divide-line rounded-lg border border-line">
          {members.map((user) => (
            <li key={user.id} className="flex items-center gap-3 px-3 py-2 text-sm">
              <span className="min-w-0 flex-1 [overflow-wrap:anywhere]">
                {user.name} <span className="text-xs text-ink-faint">{user.email}</span>
              </span>
              <IconButton
                label={`Take ${user.name} out`}
                disabled={remove.isPending}
                onClick={() => remove.mutate(user.id, { onError: (error) => notifyError(`${user.name} was not taken out`, error) })}
              >
                <X size={16} aria-hidden />
              </IconButton>
            </li>
          ))}
        </ul>
      ) : null}
      {query.hasNextPage ? (
        <Button variant="default" size="xs" loading={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
          Show more
        </Button>
      ) : null}
      <p className="text-xs leading-relaxed text-ink-faint">Who is taken out keeps their account; their keys that are charged to this group stop working.</p>
    </div>
  );
}
