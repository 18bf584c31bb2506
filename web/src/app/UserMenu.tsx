import { Menu, useMantineColorScheme } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { Link, useRouter } from "@tanstack/react-router";
import { Check, ChevronsUpDown, Keyboard, LogOut, Monitor, Moon, Settings, ShieldCheck, Sun } from "lucide-react";
import { api, authStateQuery, useUser } from "@/lib/api";
import { notifyError, useShell } from "@/ui";
import { openShortcuts } from "./Shortcuts";

const SCHEMES = [
  { value: "auto", label: "As the system", icon: Monitor },
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
] as const;

/** The person: settings, look, and the way out. */
export function UserMenu() {
  const user = useUser();
  const router = useRouter();
  const queryClient = useQueryClient();
  const { closeDrawer } = useShell();
  const { colorScheme, setColorScheme } = useMantineColorScheme();

  async function signOut(): Promise<void> {
    try {
      await api.POST("/api/v1/auth/logout");
    } catch (error) {
      notifyError("You could not be signed out", error);
      return;
    }
    // Nothing of the person stays behind in this tab.
    window.sessionStorage.clear();
    queryClient.removeQueries({ predicate: (query) => query.queryKey[0] !== authStateQuery.queryKey[0] });
    await queryClient.invalidateQueries({ queryKey: authStateQuery.queryKey });
    await router.navigate({ to: "/login", replace: true });
  }

  return (
    <Menu position="top-start" width={248}>
      <Menu.Target>
        <button
          type="button"
          className="flex w-full items-center gap-2.5 rounded-lg px-2 py-1.5 text-left hover:bg-hover"
        >
          <span className="grid size-8 shrink-0 place-items-center rounded-full bg-accent-soft text-xs font-semibold text-accent-ink" aria-hidden>
            {initials(user.name)}
          </span>
          <span className="min-w-0 flex-1">
            <span className="block truncate text-sm leading-tight font-medium">{user.name}</span>
            <span className="block truncate text-xs leading-tight text-ink-faint">{user.email}</span>
          </span>
          <span className="visually-hidden">Account menu</span>
          <ChevronsUpDown size={15} className="shrink-0 text-ink-faint" aria-hidden />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} to="/settings" onClick={closeDrawer} leftSection={<Settings size={15} aria-hidden />}>
          Settings
        </Menu.Item>
        {user.role === "admin" ? (
          <Menu.Item component={Link} to="/admin" onClick={closeDrawer} leftSection={<ShieldCheck size={15} aria-hidden />}>
            Administration
          </Menu.Item>
        ) : null}
        <Menu.Item leftSection={<Keyboard size={15} aria-hidden />} onClick={openShortcuts}>
          Keyboard shortcuts
        </Menu.Item>
        <Menu.Divider />
        <Menu.Label>Appearance</Menu.Label>
        {SCHEMES.map(({ value, label, icon: Icon }) => (
          <Menu.Item
            key={value}
            closeMenuOnClick={false}
            role="menuitemradio"
            aria-checked={colorScheme === value}
            leftSection={<Icon size={15} aria-hidden />}
            rightSection={colorScheme === value ? <Check size={15} className="text-accent" aria-hidden /> : null}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<LogOut size={15} aria-hidden />} onClick={() => void signOut()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const last = words.length > 1 ? words.at(-1) : undefined;
  return `${words[0]?.[0] ?? "?"}${last?.[0] ?? ""}`.toUpperCase();
}
