import { Button, Group, Modal, Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useState } from "react";
import type { Collection } from "@/lib/api";
import { FormFailure } from "@/ui/FormFailure";
import { showProblem } from "@/ui/formProblem";

type Values = { name: string; description: string };
type CollectionFormProps = {
  title: string;
  submitLabel: string;
  collection?: Collection;
  onSubmit: (values: Values) => Promise<void>;
  onClose: () => void;
};

/** Name and description of a collection, new or not, in a dialog. */
export function CollectionFormDialog(props: CollectionFormProps & { opened: boolean }) {
  const { opened, ...form } = props;
  return (
    <Modal opened={opened} onClose={props.onClose} title={props.title}>
      <CollectionForm {...form} />
    </Modal>
  );
}

function CollectionForm({ submitLabel, collection, onSubmit, onClose }: CollectionFormProps) {
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<Values>({
    initialValues: { name: collection?.name ?? "", description: collection?.description ?? "" },
    validate: { name: (name) => (name.trim() ? null : "Give the collection a name.") },
  });
  const submit = form.onSubmit(async ({ name, description }) => {
    setFailure(null);
    form.setSubmitting(true);
    try {
      await onSubmit({ name: name.trim(), description: description.trim() });
      onClose();
    } catch (error) {
      setFailure(showProblem(form, error, ["name", "description"]));
    } finally {
      form.setSubmitting(false);
    }
  });
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          placeholder="Employee handbook"
          description="How you and the models refer to it."
          data-autofocus
          maxLength={120}
          {...form.getInputProps("name")}
        />
        <Textarea
          label="Description (optional)"
          placeholder="What these documents are about"
          rows={3}
          resize="vertical"
          maxLength={2000}
          {...form.getInputProps("description")}
        />
        <FormFailure message={failure} />
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={form.submitting}>
            {submitLabel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
