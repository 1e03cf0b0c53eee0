// How large the images are: every image pixel covers a whole number of device pixels.

/** Larger than this many CSS pixels per image pixel, single pixels become visible as squares. */
const MOST_CSS_PIXELS = 2;

/** Returns the largest whole scale, in device pixels per image pixel, for panels in a row or column. */
function scaleFor(layout, { count, width, height, box, gap, label, ratio }) {
  const across = layout === "row" ? count : 1;
  const down = layout === "row" ? 1 : count;
  const wide = (box.width - gap * (across - 1)) / across;
  const high = (box.height - gap * (down - 1)) / down - label;
  const scale = Math.floor(Math.min((wide * ratio) / width, (high * ratio) / height) + 1e-6);
  return Math.max(0, Math.min(scale, Math.max(1, Math.floor(MOST_CSS_PIXELS * ratio))));
}

/**
 * Returns `{layout, scale}`; scale 0 means that the images do not fit at all.
 *
 * `count` panels of `width` x `height` image pixels, `box` the room in CSS pixels, `label` the
 * height of the label under a panel, `ratio` the device's pixel ratio. Side by side
 * unless stacking makes the images larger.
 */
export function fit(room) {
  const row = scaleFor("row", room);
  const column = scaleFor("column", room);
  return column > row ? { layout: "column", scale: column } : { layout: "row", scale: row };
}
