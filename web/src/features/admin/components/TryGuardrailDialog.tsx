import { Modal } from "@mantine/core";
import type { Guardrail } from "@/lib/api";
import { ruleText } from "../model/guardrail";
import { GuardrailTry } from "./GuardrailTry";

type TryGuardrailDialogProps = { guardrail: Guardrail; opened: boolean; onClose: () => void };

/** Tries a text on a guardrail that there is, also on one of the settings. */
export function TryGuardrailDialog({ guardrail: { name, rule }, opened, onClose }: TryGuardrailDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={`Try ${name}`} size="lg">
      <p className="mb-4 text-sm leading-relaxed text-ink-soft [overflow-wrap:anywhere]">{ruleText(rule)}</p>
      <GuardrailTry name={name} ruleNow={() => rule} />
    </Modal>
  );
}
