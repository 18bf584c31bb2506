import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useRef } from "react";
import { ApiProblem } from "@/lib/api";
import { ErrorNotice } from "@/ui";
import { signIn } from "./api";
import { AuthFrame } from "./components/AuthFrame";
import { useEnter } from "./useEnter";

/** `/login`. */
export function LoginPage() {
  const { next } = useSearch({ strict: false });
  const enter = useEnter();
  const password = useRef<HTMLInputElement>(null);
  const form = useForm({
    initialValues: { email: "", password: "" },
    validate: {
      email: (value) => (value.trim() ? null : "Enter your email address"),
      password: (value) => (value ? null : "Enter your password"),
    },
  });
  const login = useMutation({
    mutationFn: (values: { email: string; password: string }) => signIn(values.email.trim(), values.password),
    onSuccess: (session) => enter(session, next ?? "/"),
    onError: () => {
      password.current?.focus();
      password.current?.select();
    },
  });
  return (
    <AuthFrame title="Sign in to Alcove" lead="Your chats and documents are waiting where you left them.">
      <form onSubmit={form.onSubmit((values) => login.mutate(values))} noValidate className="flex flex-col gap-4">
        {login.isError ? <ErrorNotice error={login.error} title={titleOf(login.error)} /> : null}
        <TextInput
          label="Email"
          type="email"
          autoComplete="username"
          autoFocus
          size="md"
          {...form.getInputProps("email")}
        />
        <PasswordInput
          ref={password}
          label="Password"
          autoComplete="current-password"
          size="md"
          {...form.getInputProps("password")}
        />
        <Button type="submit" size="md" mt="xs" loading={login.isPending}>
          Sign in
        </Button>
      </form>
    </AuthFrame>
  );
}

function titleOf(error: unknown): string {
  if (error instanceof ApiProblem && error.code === "invalid_credentials") return "Email or password is wrong";
  if (error instanceof ApiProblem && error.status === 429) return "Too many attempts";
  return "You could not be signed in";
}
