// How large the images are: every image pixel covers a whole number of device pixels.

/** Beyond this many CSS pixels per image pixel, single pixels become visible as squares. */
const MOST_CSS_PIXELS = 2;
/** Below this many, what the study is about can no longer be seen (a 256-pixel image is 3 cm wide). */
const LEAST_CSS_PIXELS = 0.5;

/** Returns the largest whole scale, in device pixels per image pixel, for panels in a row or column. */
function scaleFor(layout, { count, width, height, box, gap, label, ratio }) {
  const across = layout === "row" ? count : 1;
  const down = layout === "row" ? 1 : count;
  const wide = (box.width - gap[layout] * (across - 1)) / across;
  const high = (box.height - gap[layout] * (down - 1)) / down - label[layout] / down;
  const scale = Math.floor(Math.min((wide * ratio) / width, (high * ratio) / height) + 1e-6);
  return scale < LEAST_CSS_PIXELS * ratio ? 0 : Math.min(scale, Math.floor(MOST_CSS_PIXELS * ratio) || 1);
}

/**
 * Returns `{layout, scale}`; scale 0 means that the images do not fit.
 *
 * `count` panels of `width` x `height` image pixels, `box` the room in CSS pixels, `gap` between
 * panels and `label` the height that labels take, both per layout, `ratio` the device's pixel
 * ratio. Side by side unless stacking makes the images larger.
 */
export function fit(room) {
  const row = scaleFor("row", room);
  const column = scaleFor("column", room);
  return column > row ? { layout: "column", scale: column } : { layout: "row", scale: row };
}
