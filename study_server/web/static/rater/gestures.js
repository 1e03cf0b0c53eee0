// Wheel, pinch, drag, keys and buttons that move the shared viewport.

const WHEEL_STEP = 60; // CSS pixels of wheel to a step
const LINE = 20; // CSS pixels that a wheel counting in lines stands for
const KEY_SHARE = 1 / 6; // of the viewport that an arrow key moves by
const TOWARDS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const STEPS = { "+": 1, "=": 1, "-": -1, _: -1 };
const TOOLS = { "zoom-in": (view) => view.zoom(1), "zoom-out": (view) => view.zoom(-1), "zoom-whole": (view) => view.whole() };

/** Lets a rater move `viewport` over `panels`; `flicker` is whether the images may change places. */
export function listen(viewport, panels, { flicker }) {
  const canvasOf = ({ target }) => (target instanceof HTMLCanvasElement ? target : null);
  follow(viewport, panels, canvasOf);
  turn(viewport, panels, canvasOf);
  press(viewport, flicker);
  for (const [name, act] of Object.entries(TOOLS)) {
    document.getElementById(name).addEventListener("click", () => { if (viewport.images) act(viewport); });
  }
  if (flicker) hold(viewport, document.getElementById("zoom-swap"));
}

/** Returns a point of the page in the device pixels of a canvas. */
function pointIn(canvas, { clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  return { x: (clientX - box.left) * devicePixelRatio, y: (clientY - box.top) * devicePixelRatio };
}

/** One pointer drags; two pinch, and drag with the point between them. */
function follow(viewport, panels, canvasOf) {
  const down = new Map();
  let pinch = null;
  const middle = () => {
    const all = [...down.values()];
    const mean = (name) => all.reduce((sum, each) => sum + each[name], 0) / all.length;
    return { clientX: mean("clientX"), clientY: mean("clientY") };
  };
  const span = () => {
    const [a, b] = [...down.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1;
  };
  const begin = () => {
    pinch = down.size === 2 ? { span: span(), magnification: viewport.magnification } : null;
  };
  panels.addEventListener("pointerdown", (event) => {
    const canvas = canvasOf(event);
    if (!canvas || event.button || !viewport.images) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, { canvas, clientX: event.clientX, clientY: event.clientY });
    begin();
  });
  panels.addEventListener("pointermove", (event) => {
    const mine = down.get(event.pointerId);
    if (!mine) return;
    const before = middle();
    Object.assign(mine, { clientX: event.clientX, clientY: event.clientY });
    const now = middle();
    viewport.move((now.clientX - before.clientX) * devicePixelRatio, (now.clientY - before.clientY) * devicePixelRatio);
    if (pinch) viewport.zoomTo(pinch.magnification * (span() / pinch.span), pointIn(mine.canvas, now));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    panels.addEventListener(name, (event) => { if (down.delete(event.pointerId)) begin(); });
  }
}

/** The wheel, and a trackpad's pinch, which browsers report as a wheel. */
function turn(viewport, panels, canvasOf) {
  let turned = 0;
  panels.addEventListener("wheel", (event) => {
    const canvas = canvasOf(event);
    if (!canvas) return;
    event.preventDefault();
    turned += event.deltaY * (event.deltaMode ? LINE : 1) * (event.ctrlKey ? 4 : 1);
    if (Math.abs(turned) < WHEEL_STEP) return;
    viewport.zoom(turned < 0 ? 1 : -1, pointIn(canvas, event));
    turned = 0;
  }, { passive: false });
}

/** Keys. They never reach what listens for answers: arrow keys move here, whatever is shown. */
function press(viewport, flicker) {
  const isSwap = ({ key, code }) => flicker && (key.toLowerCase() === "s" || code === "KeyS");
  addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLTextAreaElement) return; // a reason is being written
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { width, height } = viewport.panel ?? { width: 0, height: 0 };
    const [x, y] = TOWARDS[event.key] ?? [];
    if (x !== undefined) viewport.move(x * width * KEY_SHARE, y * height * KEY_SHARE);
    else if (event.key in STEPS) viewport.zoom(STEPS[event.key]);
    else if (event.key === "0") { if (viewport.images) viewport.whole(); } else if (isSwap(event)) viewport.swap(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
  addEventListener("keyup", (event) => { if (isSwap(event)) viewport.swap(false); });
  addEventListener("blur", () => viewport.swap(false));
}

/** A button that works for as long as it is held, by finger, mouse or key. */
function hold(viewport, button) {
  const set = (on) => (event) => {
    if (event.type.startsWith("key") && !["Enter", " "].includes(event.key)) return;
    if (event.cancelable) event.preventDefault();
    viewport.swap(on);
  };
  for (const name of ["pointerdown", "keydown"]) button.addEventListener(name, set(true));
  for (const name of ["pointerup", "pointercancel", "pointerleave", "keyup", "blur"]) button.addEventListener(name, set(false));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
}
