import { Autocomplete, Button, NumberInput } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import { useQuery } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { modelsQuery } from "@/lib/api";
import { IconButton } from "@/ui";
import { useDeployments } from "../api/useDeployments";
import { type ModelGroupValues, newMember } from "../model/modelGroup";

const MOST_MEMBERS = 100;

/** The models on servers that answer for a group, a row each. */
export function ModelGroupMembers({ form }: { form: UseFormReturnType<ModelGroupValues> }) {
  const deployments = useDeployments().data?.pages.flatMap((page) => page.items) ?? [];
  const models = useQuery(modelsQuery).data?.items ?? [];
  const { members } = form.values;
  // A server's models are listed as "server/model".
  const modelsOf = (deployment: string) =>
    models.flatMap(({ id }) => (deployment && id.startsWith(`${deployment}/`) ? [id.slice(deployment.length + 1)] : []));
  return (
    <fieldset>
      <legend className="text-sm font-semibold">Members</legend>
      <p className="mt-0.5 mb-2 text-xs leading-relaxed text-ink-faint">
        Members of a higher order are asked only when none of a lower one can be. Without a weight, the server’s own counts.
      </p>
      <ul aria-label="Members" className="space-y-2">
        {members.map((member, index) => {
          const name = `member ${index + 1}`;
          return (
            <li key={member.key} className="grid grid-cols-2 items-start gap-2 rounded-lg border border-line p-2 sm:grid-cols-[1fr_1.3fr_6rem_6rem_auto] sm:border-0 sm:p-0">
              <Autocomplete
                aria-label={`Server of ${name}`}
                placeholder="Server"
                data={deployments.map((deployment) => deployment.name)}
                {...form.getInputProps(`members.${index}.deployment`)}
              />
              <Autocomplete
                aria-label={`Model of ${name}`}
                placeholder="Model there"
                data={modelsOf(member.deployment)}
                {...form.getInputProps(`members.${index}.model`)}
              />
              <NumberInput
                aria-label={`Weight of ${name}`}
                placeholder="Weight"
                min={0}
                decimalScale={3}
                hideControls
                {...form.getInputProps(`members.${index}.weight`)}
              />
              <div className="flex items-start gap-2 sm:contents">
                <NumberInput
                  aria-label={`Order of ${name}`}
                  placeholder="Order"
                  className="min-w-0 flex-1"
                  min={0}
                  max={100}
                  prefix="order "
                  allowDecimal={false}
                  hideControls
                  {...form.getInputProps(`members.${index}.order`)}
                />
                <IconButton
                  label={`Remove ${name}`}
                  size={36}
                  disabled={members.length === 1}
                  onClick={() => form.removeListItem("members", index)}
                >
                  <X size={16} aria-hidden />
                </IconButton>
              </div>
            </li>
          );
        })}
      </ul>
      <Button
        mt="xs"
        size="xs"
        variant="default"
        leftSection={<Plus size={14} aria-hidden />}
        disabled={members.length >= MOST_MEMBERS}
        onClick={() => form.insertListItem("members", newMember())}
      >
        Add member
      </Button>
    </fieldset>
  );
}
