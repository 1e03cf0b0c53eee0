// Showing images for a stated time, to the frame.

/** Resolves inside the next animation frame, with its timestamp. */
export const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

/**
 * Returns the display's frame period in ms, watched for `ms` milliseconds: the lower quartile of the
 * intervals, because a busy machine makes intervals longer and never shorter.
 */
export async function measurePeriod(ms) {
  const deltas = [];
  const start = await frame();
  for (let last = start; last - start < ms; ) {
    const now = await frame();
    deltas.push(now - last);
    last = now;
  }
  return deltas.sort((a, b) => a - b)[deltas.length >> 2] || 1000 / 60;
}

/**
 * Draws in one frame, clears on the frame nearest `target` ms later (0: only when `control.stop` is
 * set), and returns what was achieved.
 *
 * What a callback draws is on the screen from the next frame on, so the next frame's timestamp is
 * the onset, and clearing must happen one frame before the wanted end: at frame time t the images
 * would stay until t + period, and we clear as soon as that is within half a period of the target.
 */
export async function reveal({ draw, clear, target, period, control, onOnset }) {
  await frame();
  draw();
  const onset = await frame();
  onOnset(onset);
  let dropped = 0;
  let last = onset;
  const isOver = (now) => control.stop || (target > 0 && now - onset >= target - 1.5 * period);
  const step = async () => {
    const now = await frame();
    dropped += Math.max(0, Math.round((now - last) / period) - 1);
    last = now;
  };
  while (!isOver(last)) await step();
  clear();
  await step();
  return { onset, exposure_ms: last - onset, dropped_frames: dropped, refresh_hz: 1000 / period };
}

/** Counts how often and how long the page is hidden until `stop()`. */
export function watchVisibility() {
  let count = 0;
  let total = 0;
  let since = document.hidden ? performance.now() : null;
  const note = () => {
    if (document.hidden) {
      count += 1;
      since = performance.now();
    } else if (since !== null) {
      total += performance.now() - since;
      since = null;
    }
  };
  document.addEventListener("visibilitychange", note);
  return {
    stop() {
      document.removeEventListener("visibilitychange", note);
      const open = since === null ? 0 : performance.now() - since;
      return { hidden_count: count, hidden_ms: total + open };
    },
  };
}

/** Resolves when the page is visible, at once if it is. */
export function whenVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true });
  });
}
