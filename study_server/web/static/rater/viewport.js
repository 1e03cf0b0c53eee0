// One viewport that all images of a trial share: what it shows, and what was done with it.

/** The server takes so many; later ones then replace the last. */
const MOST_GLANCES = 200;
/** Movements closer to each other than this are one. */
const ONE_MOVE_MS = 300;

const between = (low, value, high) => Math.min(Math.max(value, low), high);

export class Viewport {
  /** `canvases` by panel (left, right, input); `onChange` is told the magnification that shows. */
  constructor(canvases, onChange) {
    this.canvases = canvases;
    this.onChange = onChange;
    this.images = null;
    this.swapped = false;
    this.glances = [];
    this.waiting = false;
  }

  /** Shows the whole images of this size again: at first, and when the window changes. */
  fit({ width, height }, { steps, first, panel }) {
    Object.assign(this, { size: { width, height }, steps, first, panel });
    for (const canvas of Object.values(this.canvases)) Object.assign(canvas, panel);
    this.whole();
  }

  whole() {
    this.at = this.first;
    this.centre = { x: this.size.width / 2, y: this.size.height / 2 };
    this.changed("fit");
  }

  /** Draws the images at once; the caller does so inside one animation frame. */
  show(images) {
    this.images = images;
    this.swapped = false;
    this.glances = [];
    this.whole();
    this.draw();
  }

  hide() {
    this.images = null;
    this.swapped = false;
  }

  /** Enlarges (`by` > 0) or reduces by steps; the pixel at `point` (device pixels) stays there. */
  zoom(by, point = { x: this.panel.width / 2, y: this.panel.height / 2 }) {
    const at = between(0, this.at + by, this.steps.length - 1);
    if (!this.images || at === this.at) return;
    const held = this.imagePointAt(point);
    this.at = at;
    const { magnification } = this.steps[at];
    this.centre = {
      x: held.x - (point.x - this.panel.width / 2) / magnification,
      y: held.y - (point.y - this.panel.height / 2) / magnification,
    };
    this.changed("zoom");
  }

  /** Goes to the step nearest to a magnification. */
  zoomTo(magnification, point) {
    const off = this.steps.map((step) => Math.abs(Math.log(step.magnification / magnification)));
    this.zoom(off.indexOf(Math.min(...off)) - this.at, point);
  }

  /** Moves what is seen by so many device pixels. */
  move(x, y) {
    if (!this.images) return;
    const { magnification } = this.steps[this.at];
    this.centre = { x: this.centre.x - x / magnification, y: this.centre.y - y / magnification };
    this.changed("move");
  }

  /** Lets the left and the right image change places, or go back. */
  swap(on) {
    if (!this.images || this.swapped === on) return;
    this.swapped = on;
    this.changed(on ? "swap" : "back");
  }

  get magnification() {
    return this.steps[this.at].magnification;
  }

  imagePointAt({ x, y }) {
    const { divisor, scale } = this.steps[this.at];
    const [across, down] = [this.along("width", "x"), this.along("height", "y")];
    return {
      x: (across.from + (x - across.at) / scale) * divisor,
      y: (down.from + (y - down.at) / scale) * divisor,
    };
  }

  /** Returns which pixels of the step show along one side, and where in the panel they begin. */
  along(side, axis) {
    const step = this.steps[this.at];
    const [size, room] = [step[side], this.panel[side] / step.scale];
    if (size <= room) return { from: 0, count: size, at: Math.floor((this.panel[side] - size * step.scale) / 2) };
    const from = between(0, Math.round(this.centre[axis] / step.divisor - room / 2), size - Math.floor(room));
    return { from, count: Math.min(size - from, Math.ceil(room)), at: 0 };
  }

  /** Keeps the centre where the images are, so that no way back has to be gone twice. */
  settle() {
    for (const [side, axis] of [["width", "x"], ["height", "y"]]) {
      const half = this.panel[side] / this.magnification / 2;
      const size = this.size[side];
      this.centre[axis] = size <= 2 * half ? size / 2 : between(half, this.centre[axis], size - half);
    }
  }

  changed(kind) {
    this.settle();
    this.note(kind);
    this.onChange(this.magnification);
    if (this.waiting || !this.images) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.images) this.draw();
    });
  }

  draw() {
    const { left, right, input } = this.images;
    const shown = this.swapped ? { left: right, right: left, input } : { left, right, input };
    const { x, y, scale } = this.steps[this.at];
    const [across, down] = [this.along("width", "x"), this.along("height", "y")];
    for (const [panel, canvas] of Object.entries(this.canvases)) {
      if (!shown[panel]) continue;
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.drawImage(
        shown[panel],
        x + across.from, y + down.from, across.count, down.count,
        across.at, down.at, across.count * scale, down.count * scale,
      );
    }
  }

  note(kind) {
    if (!this.images) return;
    const now = performance.now();
    const { divisor, magnification } = this.steps[this.at];
    const [across, down] = [this.along("width", "x"), this.along("height", "y")];
    const part = [across.from, down.from, across.count, down.count].map((pixels) => pixels * divisor);
    const last = this.glances.at(-1);
    const goesOn = kind === "move" && last?.[0] === "move" && now - last[1] < ONE_MOVE_MS;
    if (goesOn || this.glances.length === MOST_GLANCES) this.glances.pop();
    this.glances.push([kind, now, magnification, ...part]);
  }

  /**
   * Returns what was seen, as the contract wants it, in milliseconds from `onset` on: in few digits,
   * so that as many as the server takes fit into one answer.
   */
  seenSince(onset) {
    const short = (number, digits) => Math.round(number * digits) / digits;
    return this.glances.map(([kind, at, magnification, ...part]) => (
      [kind, short(Math.max(0, at - onset), 10), short(magnification, 1e4), ...part]
    ));
  }
}
