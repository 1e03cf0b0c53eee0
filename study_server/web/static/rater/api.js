// Requests to the study server: JSON in, JSON out, one error class for a refusal.

/** A reply other than 200: `code` is the contract's error code, `wait` the Retry-After in ms. */
export class Refused extends Error {
  constructor(status, body, wait) {
    super(`${status} ${body.error ?? ""}`);
    this.status = status;
    this.code = body.error ?? "error";
    this.body = body;
    this.wait = wait;
  }
}

export async function post(url, body, { keepalive = false, timeout = 10_000 } = {}) {
  const reply = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    credentials: "same-origin",
    keepalive,
    signal: keepalive ? undefined : AbortSignal.timeout(timeout),
  });
  const data = await reply.json().catch(() => ({}));
  if (reply.ok) return data;
  throw new Refused(reply.status, data, 1000 * (Number(reply.headers.get("Retry-After")) || 0));
}

/** True for what another try can cure: no network, a busy or paused server, a broken gateway. */
export function isTemporary(error) {
  return !(error instanceof Refused) || error.status === 429 || error.status >= 500;
}

/** Resolves after `ms`, or as soon as the browser says that the network is back. */
export function pause(ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
  });
}

/** Exponential back-off with jitter: about 0.5, 1, 2, 4, 8, 8, … seconds. */
export function backOff(attempt) {
  return Math.min(8000, 500 * 2 ** attempt) * (0.75 + Math.random() / 2);
}
