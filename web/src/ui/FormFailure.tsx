/** Why a form could not be sent, when no single field is to blame; nothing while there is no failure. */
export function FormFailure({ message }: { message: string | null }) {
  if (!message) return null;
  return (
    <p role="alert" className="rounded-lg border border-danger-line bg-danger-soft px-3 py-2 text-sm leading-relaxed [overflow-wrap:anywhere]">
      {message}
    </p>
  );
}
