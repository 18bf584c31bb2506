export const LEAST_LENGTH = 8;

export type Strength = { score: 0 | 1 | 2 | 3 | 4; advice: string };

const COMMON = /^(password|passwort|letmein|welcome|admin|qwerty|iloveyou|abc123|changeme|alcove|1234)/i;

/** A rough guess of a password's strength, for the person who chooses it; the server decides what it takes. */
export function passwordStrength(password: string): Strength {
  if (password.length < LEAST_LENGTH) {
    const missing = LEAST_LENGTH - password.length;
    return { score: password === "" ? 0 : 1, advice: `${missing} more character${missing === 1 ? "" : "s"} needed.` };
  }
  if (COMMON.test(password) || new Set(password).size < 5) {
    return { score: 1, advice: "Easy to guess: choose something less common." };
  }
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z0-9]/].filter((kind) => kind.test(password)).length;
  if (password.length >= 15) return { score: 4, advice: "Hard to guess." };
  if (password.length >= 12 || kinds >= 3) return { score: 3, advice: "Longer is better still." };
  return { score: 2, advice: "Longer is better; 15 characters or more is best." };
}
