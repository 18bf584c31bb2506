import { Button } from "@mantine/core";
import { type ErrorComponentProps, Link, useRouter } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { EmptyState, ErrorNotice } from "@/ui";

/** Shown in place of a page that could not be drawn or loaded. */
export function FailurePage({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const again = () => {
    reset();
    void router.invalidate();
  };
  return (
    <div className="mx-auto w-full max-w-lg px-4 py-16">
      <ErrorNotice error={error} onRetry={again} />
    </div>
  );
}

/** An address that leads nowhere. */
export function NotFoundPage() {
  return (
    <EmptyState
      icon={<Compass size={22} />}
      title="There is nothing at this address"
      action={
        <Button component={Link} to="/" variant="default">
          Go to chat
        </Button>
      }
    >
      The link may be old, or what it led to was deleted.
    </EmptyState>
  );
}
