/** What the transport must know of the session: the CSRF value to send, and whom to tell when the session is over. */
const CSRF_COOKIE = "alcove_csrf";

let csrfToken: string | null = null;
let onSignedOut: () => void = () => undefined;

/** Remembers the value that unsafe requests carry; it comes with the state of the session. */
export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** The CSRF value, from the last state of the session or, after a reload, from the readable cookie. */
export function getCsrfToken(): string | null {
  return readCookie(CSRF_COOKIE) ?? csrfToken;
}

/** Registers what happens when a call is answered with 401. */
export function setSignedOutHandler(handler: () => void): void {
  onSignedOut = handler;
}

/** Called by the transport for each 401 that is not a refused sign-in. */
export function notifySignedOut(): void {
  onSignedOut();
}

function readCookie(name: string): string | null {
  for (const part of document.cookie.split("; ")) {
    if (part.startsWith(`${name}=`)) return decodeURIComponent(part.slice(name.length + 1));
  }
  return null;
}
