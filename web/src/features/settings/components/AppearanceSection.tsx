import { type MantineColorScheme, Radio, useMantineColorScheme } from "@mantine/core";
import { Monitor, Moon, Sun } from "lucide-react";
import { Panel } from "@/ui/Panel";

const SCHEMES = [
  { value: "auto", label: "As my system", Icon: Monitor, paper: "linear-gradient(115deg, #fcfbf8 50%, #151918 50%)", ink: "#7b7a70" },
  { value: "light", label: "Light", Icon: Sun, paper: "#fcfbf8", ink: "#4c5551" },
  { value: "dark", label: "Dark", Icon: Moon, paper: "#151918", ink: "#b4bcb7" },
] as const;

/** Light, dark, or whatever the system says. Kept in this browser. */
export function AppearanceSection() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Panel title="Appearance" description="Kept in this browser only.">
      <Radio.Group aria-label="Colours" value={colorScheme} onChange={(value) => setColorScheme(value as MantineColorScheme)}>
        <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
          {SCHEMES.map(({ value, label, Icon, paper, ink }) => (
            <Radio.Card key={value} value={value} radius="lg" p="sm" aria-label={label} className="data-[checked]:border-accent">
              <span className="grid h-20 place-items-center rounded-lg border border-line" style={{ background: paper, color: ink }} aria-hidden>
                <Icon size={22} />
              </span>
              <span className="mt-2.5 flex items-center gap-2.5 text-sm font-medium">
                <Radio.Indicator size="xs" /> {label}
              </span>
            </Radio.Card>
          ))}
        </div>
      </Radio.Group>
    </Panel>
  );
}
