// How large the images are: every image pixel covers a whole number of device pixels.
//
// The server decides by the same rule who cannot take part (device.py); a test holds both together.

/** Beyond this many CSS pixels per image pixel, single pixels become visible as squares. */
const MOST_CSS_PIXELS = 2;
/** Below this many, what the study is about can no longer be seen (a 256-pixel image is 3 cm wide). */
const LEAST_CSS_PIXELS = 0.5;

/**
 * Returns `{row, column}`, each `{width, height}`: the CSS pixels that images may take in the
 * element `panels`, beside its labels and gaps.
 */
export function roomIn(panels) {
  const shown = panels.querySelectorAll(".panel:not([hidden])").length;
  const measure = (layout) => {
    panels.dataset.layout = layout;
    const gaps = parseFloat(getComputedStyle(panels).rowGap) * (shown - 1);
    return [gaps, Array.from(panels.querySelectorAll(".label"), (label) => label.offsetHeight)];
  };
  const { clientWidth: width, clientHeight: height } = panels;
  const [across, beside] = measure("row");
  const [down, stacked] = measure("column");
  return {
    row: { width: width - across, height: height - Math.max(0, ...beside) },
    column: { width, height: height - down - stacked.reduce((sum, label) => sum + label, 0) },
  };
}

/**
 * Returns what `fitted(room)` makes of the room in the ordinary layout, or, where the images do not fit
 * there (its `scale` is 0), of the room in the compact one, which the page then has.
 */
export function layOut(panels, fitted) {
  compact(panels, false);
  const found = fitted(roomIn(panels));
  if (found.scale) return found;
  compact(panels, true);
  return fitted(roomIn(panels));
}

/** Gives the page around `panels` the compact layout, or takes it away. */
export function compact(panels, on) {
  panels.closest(".rehearsal, body").classList.toggle("compact", on);
}

/**
 * Returns `{layout, scale}`: the largest whole number of device pixels per image pixel, 0 when the
 * images do not fit. Side by side unless stacking makes them larger.
 *
 * `count` images of `width` x `height` pixels, `room` as `roomIn` returns it, `ratio` the device
 * pixels of a CSS pixel.
 */
export function fit({ count, width, height, room, ratio }) {
  const scale = (space, across, down) => {
    const wide = space.width / (across * width);
    const high = space.height / (down * height);
    const whole = Math.floor(Math.min(wide, high) * ratio + 1e-6);
    return whole < LEAST_CSS_PIXELS * ratio ? 0 : Math.min(whole, Math.floor(MOST_CSS_PIXELS * ratio) || 1);
  };
  const [row, column] = [scale(room.row, count, 1), scale(room.column, 1, count)];
  return column > row ? { layout: "column", scale: column } : { layout: "row", scale: row };
}
