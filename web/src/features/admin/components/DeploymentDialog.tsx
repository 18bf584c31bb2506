import { Modal, PasswordInput, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { Deployment, DeploymentCreate } from "@/lib/api";
import { FormFoot } from "@/ui/FormFoot";
import { MoreFields } from "@/ui/MoreFields";
import { useSending } from "@/ui/useSending";
import {
  addressProblem,
  bodyOf,
  type DeploymentValues,
  exampleAddress,
  hasAddress,
  keyText,
  nameProblem,
  PROVIDERS,
  valuesOf,
} from "../model/deployment";
import { OPTION_FIELDS, OPTION_RULES } from "../model/deploymentOptions";
import { DeploymentAdvanced } from "./DeploymentAdvanced";

type DeploymentFormProps = { deployment?: Deployment; onSubmit: (body: DeploymentCreate) => Promise<void>; onClose: () => void };

/** Address and key of a model server, new or not. */
export function DeploymentDialog({ opened, ...form }: DeploymentFormProps & { opened: boolean }) {
  return (
    <Modal opened={opened} onClose={form.onClose} title={form.deployment ? `Edit ${form.deployment.name}` : "Add model server"} size="lg">
      <DeploymentForm {...form} />
    </Modal>
  );
}

function DeploymentForm({ deployment, onSubmit, onClose }: DeploymentFormProps) {
  const form = useForm<DeploymentValues>({
    initialValues: valuesOf(deployment),
    validate: {
      name: nameProblem,
      base_url: (address, { provider }) => (hasAddress(provider) ? addressProblem(address) : null),
      ...OPTION_RULES,
    },
  });
  const { provider, base_url: address, api_key: key } = form.values;
  const isReal = hasAddress(provider);
  const hasKey = deployment !== undefined && deployment.api_key_hint !== null;
  const hasHiddenError = OPTION_FIELDS.some((field) => field in form.errors);
  const clearsKey = hasKey && address.trim() !== deployment?.base_url && key.trim() === "";
  const { submit, failure } = useSending(form, {
    fields: ["name", "provider", "base_url", "api_key", "models", ...OPTION_FIELDS],
    send: async (values) => {
      await onSubmit(bodyOf(values));
      onClose();
    },
  });
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        <Select
          label="Kind of server"
          description={isReal ? "Which protocol it speaks." : "Answers within Alcove, well or badly, as the model’s name says. For trying things out."}
          data={PROVIDERS}
          allowDeselect={false}
          {...form.getInputProps("provider")}
        />
        <TextInput
          label="Name"
          description="Short, without spaces. It stands before the names of its models, as in lab/llama."
          placeholder={provider}
          data-autofocus
          maxLength={120}
          {...form.getInputProps("name")}
        />
        {isReal ? (
          <>
            <TextInput
              label="Address"
              placeholder={exampleAddress(provider)}
              inputMode="url"
              spellCheck={false}
              {...form.getInputProps("base_url")}
            />
            <PasswordInput
              label={provider === "ollama" ? "API key (optional, seldom needed)" : "API key (optional)"}
              description={
                hasKey
                  ? `Stored: ${keyText(deployment.api_key_hint)}. Leave this empty to keep it.`
                  : "Kept encrypted on this server. It is never shown again, only its last four characters."
              }
              autoComplete="new-password"
              {...form.getInputProps("api_key")}
            />
          </>
        ) : null}
        {clearsKey ? (
          <p role="status" className="rounded-lg border border-warn-line bg-warn-soft px-3 py-2 text-sm leading-relaxed">
            With a new address the stored key is forgotten, so that it cannot be sent to the wrong server. Enter it again if this address
            needs it.
          </p>
        ) : null}
        <Textarea
          label="Models (optional)"
          description="One id per line. Empty: every model the server lists."
          rows={3}
          resize="vertical"
          spellCheck={false}
          classNames={{ input: "font-mono" }}
          {...form.getInputProps("models")}
        />
        <MoreFields label="Advanced" hint="room, patience, prices, health, cache, guardrails" mustShow={hasHiddenError}>
          <DeploymentAdvanced inputProps={form.getInputProps} values={form.values} />
        </MoreFields>
        <FormFoot failure={failure} submit={deployment ? "Save" : "Add server"} isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
