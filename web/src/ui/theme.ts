import {
  ActionIcon,
  Badge,
  Button,
  type CSSVariablesResolver,
  createTheme,
  Drawer,
  Menu,
  Modal,
  Notification,
  NumberInput,
  PasswordInput,
  Select,
  Switch,
  Textarea,
  TextInput,
  Tooltip,
} from "@mantine/core";

/** Mantine's side of the look; the tokens themselves live in app/styles.css. */
export const theme = createTheme({
  primaryColor: "pine",
  primaryShade: { light: 7, dark: 6 },
  colors: {
    pine: ["#ebf5f1", "#d5e9e2", "#abd4c7", "#7fbfac", "#57ab94", "#389783", "#277a69", "#1f6a5c", "#19564b", "#12423a"],
    red: ["#fdf0ee", "#fadcd8", "#f3b8b0", "#ea9086", "#df6b5f", "#d04d40", "#bd3a30", "#a82d25", "#8d241d", "#701c17"],
    gray: ["#faf9f5", "#f3f1ea", "#ebe8df", "#e0dcd1", "#cdc8ba", "#a9a597", "#7b7a70", "#5a5f58", "#363c38", "#1c2220"],
    dark: ["#e8ebe6", "#b4bcb7", "#929b96", "#5b6561", "#39413f", "#2a312f", "#1d2221", "#151918", "#111514", "#0c0f0e"],
  },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif, "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji"',
  fontFamilyMonospace:
    'ui-monospace, SFMono-Regular, Menlo, "Cascadia Mono", Consolas, "Liberation Mono", "DejaVu Sans Mono", monospace',
  headings: { fontWeight: "620", textWrap: "balance" },
  defaultRadius: "md",
  radius: { xs: "4px", sm: "6px", md: "9px", lg: "14px", xl: "20px" },
  cursorType: "pointer",
  respectReducedMotion: true,
  autoContrast: true,
  components: {
    Button: Button.extend({ defaultProps: { size: "sm" } }),
    TextInput: TextInput.extend({ defaultProps: { size: "sm" } }),
    PasswordInput: PasswordInput.extend({ defaultProps: { size: "sm" } }),
    NumberInput: NumberInput.extend({ defaultProps: { size: "sm" } }),
    Textarea: Textarea.extend({ defaultProps: { size: "sm" } }),
    Select: Select.extend({ defaultProps: { size: "sm" } }),
    Switch: Switch.extend({ defaultProps: { size: "sm" } }),
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: "subtle", color: "gray" } }),
    Badge: Badge.extend({ defaultProps: { variant: "light", radius: "sm", tt: "none", fw: 550 } }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 350, withArrow: false, fz: "xs" } }),
    Modal: Modal.extend({
      defaultProps: { centered: true, radius: "lg", padding: "lg", closeButtonProps: { "aria-label": "Close" } },
      styles: { title: { fontWeight: 600, fontSize: "1.05rem" } },
    }),
    Drawer: Drawer.extend({ defaultProps: { padding: "md", closeButtonProps: { "aria-label": "Close" } } }),
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { "aria-label": "Dismiss" } } }),
    Menu: Menu.extend({ defaultProps: { shadow: "md", radius: "md" } }),
  },
});

const shared = {
  "--mantine-color-body": "var(--paper)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-bright": "var(--ink)",
  "--mantine-color-dimmed": "var(--ink-faint)",
  "--mantine-color-placeholder": "var(--ink-faint)",
  "--mantine-color-anchor": "var(--accent-ink)",
  "--mantine-color-default": "var(--raised)",
  "--mantine-color-default-hover": "var(--hover)",
  "--mantine-color-default-color": "var(--ink)",
  "--mantine-color-default-border": "var(--line-strong)",
  "--mantine-color-error": "var(--danger)",
};

/** Makes Mantine draw with our tokens, so that both parts of the page change scheme together. */
export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: { ...shared, "--mantine-color-gray-light-color": "var(--ink-soft)" },
  dark: { ...shared, "--mantine-color-gray-light-color": "var(--ink-soft)" },
});
