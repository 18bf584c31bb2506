// Without 0 O 1 l I, which are mistaken for each other when a password is read aloud or typed from paper.
const LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const GROUPS = 4;
const GROUP_LENGTH = 5;

/** A password of four groups of five letters and digits: 116 bits from the browser's own source of randomness. */
export function generatePassword(): string {
  const groups: string[] = [];
  for (let group = 0; group < GROUPS; group += 1) {
    let text = "";
    while (text.length < GROUP_LENGTH) text += randomLetter();
    groups.push(text);
  }
  return groups.join("-");
}

/** Draws again when a byte lies past the last full round, so that no letter is likelier than another. */
function randomLetter(): string {
  const rounds = Math.floor(256 / LETTERS.length) * LETTERS.length;
  for (;;) {
    const [byte = 0] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < rounds) return LETTERS.charAt(byte % LETTERS.length);
  }
}
