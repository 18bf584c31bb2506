import { Checkbox, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { Guardrail, GuardrailCreate } from "@/lib/api";
import { FormFoot } from "@/ui/FormFoot";
import { showProblem } from "@/ui/formProblem";
import { MoreFields } from "@/ui/MoreFields";
import { useSending } from "@/ui/useSending";
import {
  GUARDRAIL_FIELDS,
  GUARDRAIL_RULES,
  guardNameProblem,
  guardrailBodyOf,
  type GuardrailValues,
  guardrailValuesOf,
  KINDS,
  kindWords,
  patternPath,
  ruleOf,
} from "../model/guardrail";
import { listOf } from "../model/words";
import { BlockFields } from "./BlockFields";
import { GuardrailTry } from "./GuardrailTry";
import { LimitRuleFields } from "./LimitRuleFields";
import { RedactFields } from "./RedactFields";

type GuardrailFormProps = {
  guardrail?: Guardrail;
  /** Who names it: they would lose it with its name. */
  namedBy?: readonly string[];
  onSubmit: (body: GuardrailCreate) => Promise<void>;
  onClose: () => void;
};

/** A guardrail, new or not. */
export function GuardrailDialog({ opened, ...form }: GuardrailFormProps & { opened: boolean }) {
  return (
    <Modal opened={opened} onClose={form.onClose} title={form.guardrail ? `Edit ${form.guardrail.name}` : "Add guardrail"} size="lg">
      <GuardrailForm {...form} />
    </Modal>
  );
}

function GuardrailForm({ guardrail, namedBy = [], onSubmit, onClose }: GuardrailFormProps) {
  const form = useForm<GuardrailValues>({ initialValues: guardrailValuesOf(guardrail), validate: GUARDRAIL_RULES });
  const { submit, failure } = useSending(form, {
    fields: GUARDRAIL_FIELDS,
    rowOf: patternPath,
    send: async (values) => {
      await onSubmit(guardrailBodyOf(values));
      onClose();
    },
  });
  /** The rule as it stands, or null where a field is wrong; a name is not needed yet. */
  const ruleNow = () => {
    const { errors } = form.validate();
    form.clearFieldError("name");
    return Object.keys(errors).some((field) => field !== "name") ? null : ruleOf(form.getValues());
  };
  const { values } = form;
  const name = values.name.trim();
  const isRenamed = guardrail !== undefined && name !== guardrail.name && namedBy.length > 0;
  return (
    <form onSubmit={submit} noValidate autoComplete="off">
      <Stack gap="md">
        <TextInput
          label="Name"
          description="Short. Keys, people, groups and models name it so."
          placeholder="personal-data"
          data-autofocus
          spellCheck={false}
          maxLength={63}
          {...form.getInputProps("name")}
        />
        {isRenamed ? (
          <p role="status" className="rounded-lg border border-warn-line bg-warn-soft px-3 py-2 text-sm leading-relaxed">
            {listOf(namedBy)} {namedBy.length === 1 ? "names" : "name"} it {guardrail.name}: requests there are refused until the new name is
            put in its place.
          </p>
        ) : null}
        <Select
          label="What it does"
          description={kindWords(values.kind).explanation}
          data={KINDS}
          allowDeselect={false}
          {...form.getInputProps("kind")}
        />
        {values.kind === "redact" ? <RedactFields form={form} /> : null}
        {values.kind === "block" ? <BlockFields form={form} /> : null}
        {values.kind === "limit_prompt" ? <LimitRuleFields form={form} /> : null}
        <Checkbox
          label="On for everybody and every model"
          description="Otherwise where a key, a person, a group, a server or a model group names it."
          {...form.getInputProps("always_on", { type: "checkbox" })}
        />
        <MoreFields label="Try it" hint="before it is saved">
          <GuardrailTry
            name={guardNameProblem(name) === null ? name : null}
            ruleNow={ruleNow}
            onRefused={(error) => showProblem(form, error, GUARDRAIL_FIELDS, patternPath)}
          />
        </MoreFields>
        <FormFoot failure={failure} submit={guardrail ? "Save" : "Add guardrail"} isBusy={form.submitting} onCancel={onClose} />
      </Stack>
    </form>
  );
}
