import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { useLocation } from "@tanstack/react-router";
import { Terminal } from "lucide-react";
import { useEffect, useState } from "react";
import { ApiProblem } from "@/lib/api";
import { CopyButton, ErrorNotice } from "@/ui";
import { setUp } from "./api";
import { AuthFrame } from "./components/AuthFrame";
import { PasswordStrength } from "./components/PasswordStrength";
import { LEAST_LENGTH } from "./strength";
import { useEnter } from "./useEnter";

/** `/setup#token=…`: makes the first administrator. */
export function SetupPage() {
  const { hash } = useLocation();
  // The part after # is never sent to a server or written into its log.
  const [token, setToken] = useState(() => tokenOf(hash));
  useEffect(() => {
    // Another link pasted into this tab changes the part after # alone, which loads no page.
    const onChange = () => {
      const found = tokenOf(window.location.hash);
      if (found !== "") setToken(found);
    };
    window.addEventListener("hashchange", onChange);
    return () => window.removeEventListener("hashchange", onChange);
  }, []);
  return token === "" ? <TokenMissing /> : <SetupForm key={token} token={token} />;
}

function tokenOf(hash: string): string {
  return new URLSearchParams(hash.replace(/^#/, "")).get("token") ?? "";
}

function SetupForm({ token }: { token: string }) {
  const enter = useEnter();
  const form = useForm({
    initialValues: { name: "", email: "", password: "" },
    validate: {
      name: (value) => (value.trim() ? null : "Enter your name"),
      email: (value) => (/^\S+@\S+$/.test(value.trim()) ? null : "Enter your email address"),
      password: (value) => (value.length >= LEAST_LENGTH ? null : `At least ${LEAST_LENGTH} characters`),
    },
  });
  const setup = useMutation({
    mutationFn: (values: { name: string; email: string; password: string }) =>
      setUp({ token, name: values.name.trim(), email: values.email.trim(), password: values.password }),
    onSuccess: (session) => enter(session, "/"),
    onError: (error) => {
      if (error instanceof ApiProblem) form.setErrors(error.fields);
    },
  });
  const isTokenRefused = setup.error instanceof ApiProblem && [403, 404, 410].includes(setup.error.status);
  return (
    <AuthFrame title="Welcome to Alcove" lead="Make the first account. It can add others later, and it looks after this installation.">
      <form onSubmit={form.onSubmit((values) => setup.mutate(values))} noValidate className="flex flex-col gap-4">
        {setup.isError ? (
          <ErrorNotice error={setup.error} title={isTokenRefused ? "This setup link does not work any more" : "The account was not made"} />
        ) : null}
        {isTokenRefused ? <Hint /> : null}
        <TextInput label="Your name" autoComplete="name" autoFocus size="md" {...form.getInputProps("name")} />
        <TextInput label="Email" type="email" autoComplete="username" size="md" {...form.getInputProps("email")} />
        <div>
          <PasswordInput
            label="Password"
            autoComplete="new-password"
            size="md"
            aria-describedby="password-strength"
            {...form.getInputProps("password")}
          />
          <PasswordStrength id="password-strength" password={form.values.password} />
        </div>
        <Button type="submit" size="md" mt="xs" loading={setup.isPending}>
          Create account
        </Button>
      </form>
    </AuthFrame>
  );
}

function TokenMissing() {
  return (
    <AuthFrame title="Almost there" lead="For safety, the first account can only be made with the setup link.">
      <div className="flex flex-col gap-4 text-sm leading-relaxed text-ink-soft">
        <p className="flex gap-3">
          <Terminal size={18} className="mt-0.5 shrink-0 text-accent" aria-hidden />
          <span>
            Look at the terminal in which Alcove was started. It shows a link that ends in <Code>/setup#token=…</Code>. Open that
            link in this browser.
          </span>
        </p>
        <Hint />
      </div>
    </AuthFrame>
  );
}

function Hint() {
  const command = `alcove setup-link --data-dir FOLDER --url ${window.location.origin}`;
  return (
    <div className="text-sm leading-relaxed text-ink-soft">
      <p>The link works once and for an hour. For a new one, run this on the computer on which Alcove runs:</p>
      <div className="mt-2 flex items-center justify-between gap-2 rounded-lg border border-line bg-sunken py-1 pr-1 pl-3">
        <code className="min-w-0 font-mono text-sm [overflow-wrap:anywhere] text-ink">{command}</code>
        <CopyButton value={command} label="Copy command" size="sm" />
      </div>
      <p className="mt-2">
        FOLDER is the data folder that Alcove was started with. In a checkout of the source the command is{" "}
        <Code>.venv/bin/alcove</Code>.
      </p>
    </div>
  );
}

function Code({ children }: { children: string }) {
  return <code className="rounded bg-sunken px-1 py-0.5 font-mono text-[0.9em] text-ink">{children}</code>;
}
