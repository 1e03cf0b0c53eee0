// Why a rater chose: asked after the choice, once the images are gone. What is written, and the choice that
// it is about, outlive a reload: a second look at the images would not be the same answer.

import { announce, enter, say } from "./stage.js";

const FEW_LEFT = 20; // characters left, from which on a screen reader is told

/** What the server would not keep either: control characters, white space around the text. */
const cleaned = (text) => text.replace(/(?!\n)\p{Cc}/gu, "").trim();

/** The answer that a reason is being written for, kept in the browser until it is on its way. */
export class Draft {
  constructor(name) {
    this.name = name;
    this.memory = null;
  }

  /** Returns what was kept for this trial, null for nothing. */
  of(trial) {
    try {
      this.memory = JSON.parse(localStorage.getItem(this.name)) ?? this.memory;
    } catch {
      // Without storage a reload begins the trial again.
    }
    if (this.memory && this.memory.answer.trial !== trial) this.forget();
    return this.memory;
  }

  keep(draft) {
    this.memory = draft;
    try {
      localStorage.setItem(this.name, JSON.stringify(draft));
    } catch {
      // As above.
    }
  }

  forget() {
    this.memory = null;
    try {
      localStorage.removeItem(this.name);
    } catch {
      // As above.
    }
  }
}

/** A key that was held down to choose must not write into the text. */
function ignoreHeldKey(field) {
  const listening = new AbortController();
  field.addEventListener("keydown", (event) => {
    if (event.repeat) event.preventDefault();
    else listening.abort();
  }, { signal: listening.signal });
  return listening;
}

/**
 * Asks for the reason; returns `{reason}` as the contract wants it, or nothing where none was written.
 *
 * `setting` is `{required, most}`, `names` what was answered in the page's words, `written` what an
 * earlier page had of the text, `onChange(text)` is called as it grows.
 */
export function askReason({ setting, names, written, onChange }) {
  const form = document.getElementById("reason");
  const { field, wrong, count } = {
    field: form.querySelector("textarea"), wrong: form.querySelector(".wrong"), count: form.querySelector("output"),
  };
  const tell = () => {
    const left = setting.most - field.value.length;
    count.textContent = say("characters_left", { left });
    if (left <= FEW_LEFT) announce(count.textContent);
  };
  const object = (on) => {
    wrong.hidden = !on;
    wrong.textContent = on ? say("reason_missing") : "";
    field.setAttribute("aria-invalid", String(on));
  };
  form.querySelector("#reason-said").textContent = say("answer_was", { answer: names.join(" · ") });
  Object.assign(field, { value: written, maxLength: setting.most });
  object(false);
  enter("reason");
  tell();
  const listening = ignoreHeldKey(field);
  const { signal } = listening;
  field.focus({ preventScroll: true });
  const since = performance.now();
  return new Promise((resolve) => {
    const ending = new AbortController();
    field.addEventListener("input", () => { tell(); object(false); onChange(field.value); }, ending);
    // An Enter that ends the composing of a character (Chinese, Japanese) does not send.
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.repeat) return;
      event.preventDefault();
      form.requestSubmit();
    }, ending);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = cleaned(field.value);
      if (!text && setting.required) {
        object(true);
        field.focus();
        return;
      }
      if (!signal.aborted) listening.abort();
      ending.abort();
      form.hidden = true;
      field.value = "";
      resolve(text ? { reason: { text, ms: performance.now() - since } } : {});
    }, ending);
  });
}
