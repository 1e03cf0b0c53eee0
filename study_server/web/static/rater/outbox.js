// Answers on their way: kept in localStorage until the server has acknowledged them.

import { backOff, isTemporary, pause } from "./api.js";

export class Outbox {
  /**
   * `send(entry, {keepalive})` returns the server's reply or throws; `onTrouble(error)` is called at
   * each failed try and with null when an answer got through; `onRefused(error)` when trying again
   * is no use.
   */
  constructor(name, { send, onTrouble, onRefused }) {
    this.name = name;
    this.send = send;
    this.onTrouble = onTrouble;
    this.onRefused = onRefused;
    this.waiting = new Map();
    this.entries = this.read();
    this.running = null;
  }

  read() {
    try {
      return JSON.parse(localStorage.getItem(this.name)) ?? [];
    } catch {
      return [];
    }
  }

  /** Storage can be full or forbidden (private windows); the answers in memory still go out. */
  write() {
    try {
      if (this.entries.length) localStorage.setItem(this.name, JSON.stringify(this.entries));
      else localStorage.removeItem(this.name);
    } catch (error) {
      console.warn("The outbox lives in memory only:", error);
    }
  }

  holds(trial) {
    return this.entries.some((entry) => entry.trial === trial);
  }

  /** Returns a promise of the server's reply to this answer. */
  add(answer) {
    const entry = { ...answer, key: randomKey(), kept_at: Date.now() };
    this.entries.push(entry);
    this.write();
    const reply = new Promise((resolve) => this.waiting.set(entry.key, resolve));
    this.flush();
    return reply;
  }

  /** Sends everything, oldest first; resolves with the last reply when the outbox is empty. */
  flush() {
    this.running ??= this.drain().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  async drain() {
    let reply = null;
    for (let attempt = 0; this.entries.length; ) {
      const entry = this.entries[0];
      try {
        reply = await this.send(entry, {});
        attempt = 0;
        this.settle(entry, reply);
      } catch (error) {
        if (!isTemporary(error)) {
          // What the server will never take must not stand in the way of later answers; an answer
          // from a stale tab is kept, for it counts once this tab has the session back.
          if (error.code !== "elsewhere") this.settle(entry, null);
          this.onRefused(error);
          return null;
        }
        this.onTrouble(error);
        await pause(Math.max(error.wait ?? 0, backOff(attempt++)));
      }
    }
    return reply;
  }

  settle(entry, reply) {
    this.entries = this.entries.filter((other) => other.key !== entry.key);
    this.write();
    this.onTrouble(null);
    this.waiting.get(entry.key)?.(reply);
    this.waiting.delete(entry.key);
  }

  /** The page is going away: one last try that outlives it. What fails stays in storage. */
  lastCall() {
    for (const entry of this.entries) this.send(entry, { keepalive: true }).catch(() => {});
  }
}

/** 128 random bits in hexadecimal. */
function randomKey() {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
