// The images of the next trials, fetched and decoded before they are needed.

import { backOff, pause } from "./api.js";

const AT_ONCE = 4;
const TIMEOUT_MS = 10_000;
const RETRIES = 3;

let running = 0;
const queue = [];

/** Runs the task when fewer than AT_ONCE others are running. */
async function inTurn(task) {
  if (running >= AT_ONCE) await new Promise((resolve) => queue.push(resolve));
  running += 1;
  try {
    return await task();
  } finally {
    running -= 1;
    queue.shift()?.();
  }
}

async function fetchBitmap(url) {
  const reply = await fetch(url, {
    credentials: "same-origin",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!reply.ok) throw new Error(`${reply.status} for an image`);
  return createImageBitmap(await reply.blob());
}

/** Returns a decoded image, trying again after jittered pauses. */
export async function loadImage(url) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await inTurn(() => fetchBitmap(url));
    } catch (error) {
      if (attempt === RETRIES) throw error;
      await pause(backOff(attempt));
    }
  }
}

export class Prefetcher {
  #pairs = new Map();

  /** Starts loading these trials and forgets all others. */
  want(trials) {
    const wanted = new Set(trials.map(({ trial }) => trial));
    for (const trial of this.#pairs.keys()) if (!wanted.has(trial)) this.drop(trial);
    for (const trial of trials) this.get(trial).catch(() => {});
  }

  /** Returns a promise of `{left, right, input}`; both outputs are decoded when it resolves. */
  get({ trial, left, right, input }) {
    if (!this.#pairs.has(trial)) {
      const urls = input ? [left, right, input] : [left, right];
      const images = Promise.all(urls.map(loadImage));
      this.#pairs.set(trial, images.then(([l, r, i]) => ({ left: l, right: r, input: i ?? null })));
    }
    return this.#pairs.get(trial);
  }

  drop(trial) {
    this.#pairs.get(trial)?.then(
      (images) => Object.values(images).forEach((image) => image?.close()),
      () => {},
    );
    this.#pairs.delete(trial);
  }
}
