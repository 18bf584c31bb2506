import { Button, Group, Input, TextInput } from "@mantine/core";
import type { GetInputPropsReturnType } from "@mantine/form";
import { Dices } from "lucide-react";
import { useId } from "react";
import { generatePassword } from "../model/password";

type PasswordFieldProps = { label: string; input: GetInputPropsReturnType; onGenerate: (password: string) => void };

/** A password set for somebody else: readable, because it must be told to them, and made up on request. */
export function PasswordField({ label, input, onGenerate }: PasswordFieldProps) {
  const id = useId();
  return (
    <Input.Wrapper id={id} label={label} description="They can change it after signing in." error={input["error"]}>
      <Group gap="xs" mt={5} wrap="nowrap" align="stretch">
        <TextInput
          id={id}
          className="min-w-0 flex-1"
          classNames={{ input: "font-mono" }}
          autoComplete="off"
          spellCheck={false}
          {...input}
          error={Boolean(input["error"])}
        />
        <Button variant="default" leftSection={<Dices size={16} aria-hidden />} onClick={() => onGenerate(generatePassword())}>
          Generate
        </Button>
      </Group>
    </Input.Wrapper>
  );
}
