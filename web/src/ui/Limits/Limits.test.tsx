import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { http, HttpResponse } from "msw";
import { expect, test, vi } from "vitest";
import type { LimitsBody, LimitState, SubjectLimits } from "@/lib/api";
import { refusal, someLimits } from "@/testing/answers";
import { renderPage } from "@/testing/render";
import { server } from "@/testing/server";
import { limitsBodyOf, LimitsDialog, limitsValuesOf, limitWords, MyLimits } from ".";

const models = http.get("*/api/v1/models", () => HttpResponse.json({ items: [], notice: null }));

function state(part: Partial<LimitState>): LimitState {
  return {
    kind: "requests_per_minute",
    limit: "60",
    used: "0",
    held: "0",
    left: "60",
    resets_in_s: 0,
    resets_at: null,
    period: null,
    ...part,
  };
}

function subject(part: Partial<SubjectLimits>): SubjectLimits {
  return { subject: "user:user-1", name: "Ada", models: null, guards: [], limits: [], ...part };
}

test("what is not limited is sent as no limit, and nothing at all as none", () => {
  expect(limitsBodyOf(limitsValuesOf(null))).toBeNull();
  const limits = someLimits({ budget_usd: "0.10", requests_per_minute: 5 });
  expect(limitsBodyOf(limitsValuesOf(limits))).toEqual(limits);
});

test("a list of no models allows none, and is not taken for all", () => {
  const limits = someLimits({ models: [] });
  expect(limitsBodyOf(limitsValuesOf(limits))).toEqual(limits);
  expect(limitWords(limits)).toEqual(["no model"]);
});

test("limits are said in a few words", () => {
  const limits = someLimits({ models: ["a", "b", "c"], tokens_per_minute: 20_000, budget_usd: "20", budget_period: "week" });
  expect(limitWords(limits)).toEqual(["only 3 models", "20,000 tokens/min", "$20.00 a week"]);
});

test("money is sent as the text that was written", async () => {
  server.use(models);
  const onSubmit = vi.fn<(limits: LimitsBody | null) => Promise<void>>().mockResolvedValue();
  renderPage(<LimitsDialog opened title="Limits" limits={null} onSubmit={onSubmit} onClose={() => undefined} />);
  await userEvent.type(await screen.findByLabelText("Budget in dollars"), "0.10");
  await userEvent.type(screen.getByLabelText("Requests a minute"), "60");
  await userEvent.click(screen.getByRole("checkbox", { name: "Only some models" }));
  await userEvent.type(screen.getByRole("combobox", { name: "Models allowed" }), "local/*{Enter}");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(onSubmit).toHaveBeenCalledWith(someLimits({ budget_usd: "0.10", requests_per_minute: 60, models: ["local/*"] }));
});

test("an amount that is none is not sent", async () => {
  server.use(models);
  const onSubmit = vi.fn<(limits: LimitsBody | null) => Promise<void>>();
  renderPage(<LimitsDialog opened title="Limits" limits={null} onSubmit={onSubmit} onClose={() => undefined} />);
  await userEvent.type(await screen.findByLabelText("Budget in dollars"), "1,50");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByText("Write an amount such as 20 or 0.50.")).toBeVisible();
  expect(onSubmit).not.toHaveBeenCalled();
});

test("each limit shows how it stands, in exact money, and when it begins anew", async () => {
  const budget = state({
    kind: "budget_usd",
    limit: "1",
    used: "0.95",
    left: "0.05",
    period: "month",
    resets_at: new Date(Date.now() + 3 * 86_400_000).toISOString(),
  });
  const rate = state({ used: "60", left: "0" });
  server.use(
    http.get("*/api/v1/limits/me", () =>
      HttpResponse.json({ items: [subject({ limits: [budget, rate], models: ["fast"] }), subject({ subject: "group:1", name: "Research" })] }),
    ),
  );
  renderPage(<MyLimits />);
  const mine = await screen.findByRole("region", { name: "Your account" });
  const [first, second] = within(mine).getAllByRole("listitem");
  expect(first).toHaveTextContent("$0.950 of $1.00");
  expect(first).toHaveTextContent("$0.050 left, begins anew in 3 days");
  expect(within(mine).getByRole("meter", { name: "Budget of the month" })).toHaveAttribute("aria-valuenow", "95");
  expect(second).toHaveTextContent("used up");
  expect(mine).toHaveTextContent("Models: fast");
  expect(screen.getByRole("region", { name: "Group Research" })).toBeVisible();
});

test("says that nothing limits who has no limits, and why they could not be loaded", async () => {
  server.use(http.get("*/api/v1/limits/me", () => HttpResponse.json({ items: [] }), { once: true }));
  const { unmount } = renderPage(<MyLimits />);
  expect(await screen.findByText("Nothing limits you.")).toBeVisible();
  unmount();
  server.use(http.get("*/api/v1/limits/me", () => refusal(503, "limits_away", "The store of limits is away.")));
  renderPage(<MyLimits />);
  expect(await screen.findByText("The store of limits is away.")).toBeVisible();
});
