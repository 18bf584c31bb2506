import { passwordStrength } from "../strength";

const WORDS = ["", "Weak", "Fair", "Good", "Strong"] as const;

/** Four bars and a word: how hard the password is to guess. */
export function PasswordStrength({ password, id }: { password: string; id: string }) {
  const strength = passwordStrength(password);
  const hint = password === "" ? "At least 8 characters; 15 or more is better. A few unrelated words work well." : strength.advice;
  return (
    <div id={id} className="mt-2">
      <div className="flex gap-1" aria-hidden>
        {[1, 2, 3, 4].map((bar) => (
          <span
            key={bar}
            className={`h-1 flex-1 rounded-full transition-colors ${bar <= strength.score ? COLORS[strength.score] : "bg-line"}`}
          />
        ))}
      </div>
      <p className="mt-1.5 text-xs leading-relaxed text-ink-faint" aria-live="polite">
        {password === "" ? "" : <span className="font-medium text-ink-soft">{WORDS[strength.score]}. </span>}
        {hint}
      </p>
    </div>
  );
}

const COLORS = ["bg-line", "bg-danger", "bg-mark-line", "bg-accent", "bg-accent"] as const;
