import { useParams } from "@tanstack/react-router";
import { Gauge, Info, Keyboard, KeyRound, Palette, UserRound } from "lucide-react";
import { Page, PageHeader } from "@/ui";
import { MyLimits } from "@/ui/Limits";
import { type Section, SectionNav } from "@/ui/SectionNav";
import { AboutSection } from "./AboutSection";
import { AppearanceSection } from "./AppearanceSection";
import { KeysSection } from "./KeysSection";
import { ProfileSection } from "./ProfileSection";
import { ShortcutsSection } from "./ShortcutsSection";

const SECTIONS: readonly Section[] = [
  { to: "/settings/profile", label: "Profile", Icon: UserRound },
  { to: "/settings/keys", label: "API keys", Icon: KeyRound },
  { to: "/settings/limits", label: "My limits", Icon: Gauge },
  { to: "/settings/appearance", label: "Appearance", Icon: Palette },
  { to: "/settings/shortcuts", label: "Shortcuts", Icon: Keyboard },
  { to: "/settings/about", label: "About", Icon: Info },
];

/** What a person decides for themselves. */
export function SettingsPage() {
  const { _splat: section } = useParams({ strict: false });
  return (
    <Page>
      <PageHeader title="Settings" />
      <div className="md:flex md:gap-8">
        <SectionNav label="Settings" sections={SECTIONS} />
        <div className="min-w-0 flex-1 space-y-5">{bodyOf(section)}</div>
      </div>
    </Page>
  );
}

function bodyOf(section: string | undefined) {
  switch (section) {
    case "keys":
      return <KeysSection />;
    case "limits":
      return <MyLimits />;
    case "appearance":
      return <AppearanceSection />;
    case "shortcuts":
      return <ShortcutsSection />;
    case "about":
      return <AboutSection />;
    default:
      return <ProfileSection />;
  }
}
