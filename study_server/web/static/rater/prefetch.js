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

/** Returns a file; one that is large may take long, as long as something of it arrives. */
async function fetchFile(url) {
  const stalled = new AbortController();
  let timer = null;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), TIMEOUT_MS);
  };
  wait();
  try {
    const reply = await fetch(url, { credentials: "same-origin", signal: stalled.signal });
    if (!reply.ok) throw new Error(`${reply.status} for an image`);
    const parts = [];
    const reader = reply.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      wait();
    }
    return new Blob(parts, { type: "image/png" });
  } finally {
    clearTimeout(timer);
  }
}

/** Returns a decoded image. */
export const loadImage = async (url) => createImageBitmap(await loadFile(url));

/** Returns a file, trying again after jittered pauses. */
async function loadFile(url) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await inTurn(() => fetchFile(url));
    } catch (error) {
      if (attempt === RETRIES) throw error;
      await pause(backOff(attempt));
    }
  }
}

/** Trials whose images are decoded before their turn: large ones fill a phone's memory. */
const DECODED = 2;

export class Prefetcher {
  #files = new Map();
  #images = new Map();

  /** Starts loading these trials, decodes the first of them, and forgets all others. */
  want(trials) {
    const wanted = new Set(trials.map(({ trial }) => trial));
    for (const trial of this.#files.keys()) if (!wanted.has(trial)) this.drop(trial);
    for (const trial of trials) this.#fetch(trial).catch(() => {});
    for (const trial of trials.slice(0, DECODED)) this.get(trial).catch(() => {});
  }

  /** Returns a promise of `{left, right, input}`, decoded; null where a trial has none. */
  get(trial) {
    if (!this.#images.has(trial.trial)) {
      const decoded = this.#fetch(trial).then((files) => (
        Promise.all(files.map((file) => file && createImageBitmap(file)))
      ));
      this.#images.set(trial.trial, decoded.then(([left, right, input]) => ({ left, right, input })));
    }
    return this.#images.get(trial.trial);
  }

  #fetch({ trial, left, right, input }) {
    if (!this.#files.has(trial)) {
      const files = Promise.all([left, right, input].map((url) => (url ? loadFile(url) : null)));
      this.#files.set(trial, files);
    }
    return this.#files.get(trial);
  }

  drop(trial) {
    this.#images.get(trial)?.then(
      (images) => Object.values(images).forEach((image) => image?.close()),
      () => {},
    );
    this.#files.delete(trial);
    this.#images.delete(trial);
  }
}
