// The rater's answer: F and J, arrow keys, click, touch; N and B for neither of the two; digits on a scale.

const KEYS = { f: "left", j: "right", n: "tie", b: "bad", ArrowLeft: "left", ArrowRight: "right" };
const STACKED_KEYS = { ...KEYS, ArrowUp: "left", ArrowDown: "right" };

/** Returns the answer a key event stands for, or undefined. A held key is not an answer. */
export function answerOfKey(event, layout) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return undefined;
  const latin = /^[a-z]$/i.test(event.key);
  const physical = event.code.replace(/^Key(.)$/, (_, letter) => letter.toLowerCase());
  const name = latin ? event.key.toLowerCase() : physical;
  return (layout === "column" ? STACKED_KEYS : KEYS)[name];
}

/** Returns the answer that stands on a side: of one image, the first or the last of its two buttons. */
function standing(answer, buttons) {
  const names = [...buttons.keys()];
  return buttons.has(answer) ? answer : { left: names[0], right: names.at(-1) }[answer];
}

/** Returns the answer of a scale that a key event stands for, by its number from 1, or undefined. */
function stepOfKey(event, buttons) {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return undefined;
  const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1] ?? (/^[1-9]$/.test(event.key) ? event.key : undefined);
  return [...buttons.keys()][Number(digit) - 1];
}

/** Returns how a click was made; a button pressed with Enter or Space also clicks. */
function inputOfClick(event) {
  if (event.detail === 0) return "keyboard";
  return ["touch", "pen"].includes(event.pointerType) ? event.pointerType : "mouse";
}

/**
 * Returns a promise of `{choice, at, input}`: the first answer made at or after `accepts()` is true.
 * `buttons` is a map of answers to their buttons: left, right, and tie or bad where they are answers; real and made as
 * they stand; or, where `scale` says so, the steps of a scale in order. Earlier presses are ignored.
 */
export function nextChoice(buttons, layout, accepts, scale = false) {
  return new Promise((resolve) => {
    const listening = new AbortController();
    const take = (choice, event, input) => {
      if (!accepts(event.timeStamp)) return;
      listening.abort();
      resolve({ choice, at: event.timeStamp, input });
    };
    const { signal } = listening;
    const onKey = (event) => {
      const answer = scale ? stepOfKey(event, buttons) : standing(answerOfKey(event, layout()), buttons);
      if (!buttons.has(answer)) return;
      event.preventDefault();
      take(answer, event, "keyboard");
    };
    document.addEventListener("keydown", onKey, { signal });
    for (const [answer, button] of buttons) {
      button.addEventListener("click", (event) => take(answer, event, inputOfClick(event)), { signal });
    }
  });
}
