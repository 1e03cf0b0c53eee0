// How far the shared viewport can be enlarged: every step covers whole device pixels. The server made
// the reductions that the lower steps show (study_server/studies/viewing.py).

/** Beyond this many CSS pixels per image pixel nothing more is to be seen. */
const MOST_CSS_PIXELS = 8;
/** At first an image is no larger than images that are shown whole. */
const MOST_AT_FIRST = 2;
/** CSS and device pixels a side that the viewport needs; the server's device.py has the same. */
const LEAST_VIEWPORT = 180;

/**
 * Returns the steps, the smallest first: `{divisor, scale, magnification, x, y, width, height}`, with
 * the place and size of the reduction in the file. `levels` as the server tells them, `ratio` the
 * device pixels of a CSS pixel; `magnification` is in device pixels to an image pixel.
 */
export function ladder({ width, height, levels }, ratio) {
  const reduced = levels.map(([divisor, x, y, across, down]) => (
    { divisor, scale: 1, magnification: 1 / divisor, x, y, width: across, height: down }
  ));
  const most = Math.max(1, Math.floor(MOST_CSS_PIXELS * ratio));
  const enlarged = Array.from({ length: most }, (_, n) => (
    { divisor: 1, scale: n + 1, magnification: n + 1, x: 0, y: 0, width, height }
  )).filter(({ scale }) => scale < 4 || scale % 2 === 0);
  return [...reduced.reverse(), ...enlarged];
}

/**
 * Returns `{layout, scale, steps, first, panel}`: `panel` is the viewport's size in device pixels,
 * `first` the step that shows the whole image as large as it fits, and `scale` its magnification, 0
 * where the viewport would be too small. Side by side unless stacking shows more.
 */
export function fitZoom({ count, trial, room, ratio }) {
  const steps = ladder(trial, ratio);
  const { width, height } = trial;
  const least = LEAST_VIEWPORT * Math.max(1, 1 / ratio) - 1e-6;
  const most = steps.at(-1).scale;
  const within = (layout, across, down) => {
    const [wide, high] = [room[layout].width / across, room[layout].height / down];
    const panel = {
      width: Math.min(Math.floor(wide * ratio + 1e-6), width * most),
      height: Math.min(Math.floor(high * ratio + 1e-6), height * most),
    };
    const fits = (step) => step.width * step.scale <= panel.width
      && step.height * step.scale <= panel.height
      && step.magnification <= Math.max(1, MOST_AT_FIRST * ratio);
    const first = Math.max(0, steps.findLastIndex(fits));
    const scale = Math.min(wide, high) < least ? 0 : steps[first].magnification;
    return { layout, scale, steps, first, panel };
  };
  const [row, column] = [within("row", count, 1), within("column", 1, count)];
  return column.scale > row.scale ? column : row;
}
