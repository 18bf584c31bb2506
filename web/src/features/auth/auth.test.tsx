import { act, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { describe, expect, it } from "vitest";
import { authStateQuery } from "@/lib/api";
import { ADA } from "@/testing/fixtures";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { LoginPage } from "./LoginPage";
import { SetupPage } from "./SetupPage";
import { passwordStrength } from "./strength";

describe("LoginPage", () => {
  it("signs in and goes on to the page that was wanted", async () => {
    let sent: unknown;
    server.use(
      http.post("*/api/v1/auth/login", async ({ request }) => {
        sent = await request.json();
        return HttpResponse.json({ user: ADA, csrf_token: "t" });
      }),
    );
    const user = userEvent.setup();
    const { client } = renderPage(<LoginPage />, { path: "/login?next=%2Ftraces", route: "/login" });
    await user.type(await screen.findByLabelText("Email"), " ada@example.org ");
    await user.type(screen.getByLabelText("Password"), "right horse{Enter}");
    expect(await screen.findByText("another page")).toBeInTheDocument();
    expect(sent).toEqual({ email: "ada@example.org", password: "right horse" });
    expect(client.getQueryData(authStateQuery.queryKey)?.user).toEqual(ADA);
  });

  it("says that email or password is wrong, and lets the password be typed again", async () => {
    server.use(
      http.post("*/api/v1/auth/login", () =>
        HttpResponse.json({ code: "invalid_credentials", detail: "No such pair." }, { status: 401 }),
      ),
    );
    const user = userEvent.setup();
    renderPage(<LoginPage />, { path: "/login" });
    await user.type(await screen.findByLabelText("Email"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "wrong{Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent("Email or password is wrong");
    expect(screen.getByLabelText("Password")).toHaveFocus();
  });

  it("says how long to wait after too many attempts", async () => {
    server.use(
      http.post("*/api/v1/auth/login", () =>
        HttpResponse.json({ code: "rate_limited", detail: "Too many attempts." }, { status: 429, headers: { "retry-after": "30" } }),
      ),
    );
    const user = userEvent.setup();
    renderPage(<LoginPage />, { path: "/login" });
    await user.type(await screen.findByLabelText("Email"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "x{Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent("Try again in 30 s.");
  });

  it("asks for what is missing without asking the server", async () => {
    const user = userEvent.setup();
    renderPage(<LoginPage />, { path: "/login" });
    await user.click(await screen.findByRole("button", { name: "Sign in" }));
    expect(screen.getByText("Enter your email address")).toBeInTheDocument();
    expect(screen.getByText("Enter your password")).toBeInTheDocument();
  });
});

describe("SetupPage", () => {
  it("explains where the link is when the token is missing", async () => {
    renderPage(<SetupPage />, { path: "/setup" });
    expect(await screen.findByText("Almost there")).toBeInTheDocument();
    expect(screen.getByText(`alcove setup-link --data-dir FOLDER --url ${window.location.origin}`)).toBeInTheDocument();
  });

  it("shows the form when the right link is pasted into the same tab", async () => {
    renderPage(<SetupPage />, { path: "/setup", route: "/setup" });
    expect(await screen.findByText("Almost there")).toBeInTheDocument();
    act(() => {
      window.history.replaceState(null, "", "#token=abc");
      window.dispatchEvent(new Event("hashchange"));
    });
    expect(await screen.findByLabelText("Your name")).toBeInTheDocument();
    window.history.replaceState(null, "", window.location.pathname);
  });

  it("makes the first account with the token from the address", async () => {
    let sent: unknown;
    server.use(
      http.post("*/api/v1/auth/setup", async ({ request }) => {
        sent = await request.json();
        return HttpResponse.json({ user: ADA, csrf_token: "t" }, { status: 201 });
      }),
    );
    const user = userEvent.setup();
    renderPage(<SetupPage />, { path: "/setup#token=abc", route: "/setup" });
    await user.type(await screen.findByLabelText("Your name"), "Ada Lovelace");
    await user.type(screen.getByLabelText("Email"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "seven horses run");
    expect(screen.getByText(/Strong/)).toBeInTheDocument();
    await user.click(screen.getByRole("button", { name: "Create account" }));
    await waitFor(() =>
      expect(sent).toEqual({ token: "abc", name: "Ada Lovelace", email: "ada@example.org", password: "seven horses run" }),
    );
    expect(await screen.findByText("another page")).toBeInTheDocument();
  });

  it("does not send a short password", async () => {
    const user = userEvent.setup();
    renderPage(<SetupPage />, { path: "/setup#token=abc", route: "/setup" });
    await user.type(await screen.findByLabelText("Your name"), "Ada");
    await user.type(screen.getByLabelText("Email"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "short");
    await user.click(screen.getByRole("button", { name: "Create account" }));
    expect(screen.getByText("At least 8 characters")).toBeInTheDocument();
  });

  it("tells how to get a new link when this one is used up", async () => {
    server.use(
      http.post("*/api/v1/auth/setup", () => HttpResponse.json({ code: "forbidden", detail: "The link was used." }, { status: 403 })),
    );
    const user = userEvent.setup();
    renderPage(<SetupPage />, { path: "/setup#token=old", route: "/setup" });
    await user.type(await screen.findByLabelText("Your name"), "Ada");
    await user.type(screen.getByLabelText("Email"), "ada@example.org");
    await user.type(screen.getByLabelText("Password"), "seven horses run{Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent("This setup link does not work any more");
    expect(screen.getByText(/alcove setup-link --data-dir/)).toBeInTheDocument();
  });
});

describe("passwordStrength", () => {
  it.each([
    ["", 0],
    ["abc", 1],
    ["password1", 1],
    ["aaaaaaaaaaaa", 1],
    ["maple-tree", 2],
    ["Maple-tree7", 3],
    ["seven horses run", 4],
  ])("rates %j as %d", (password, score) => {
    expect(passwordStrength(password).score).toBe(score);
  });
});
