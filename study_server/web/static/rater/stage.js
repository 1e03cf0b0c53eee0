// The trial page's elements: panels, cards, labels, progress. It knows nothing of the study's course.

import { fit, layOut } from "./fit.js";
import { listen } from "./gestures.js";
import { fitZoom } from "./ladder.js";
import { Viewport } from "./viewport.js";

const byId = (id) => document.getElementById(id);
const words = JSON.parse(byId("words").textContent);

/** Returns the page's own words for `name`, with `{placeholders}` filled in. */
export function say(name, values = {}) {
  return words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export const panels = byId("panels");
const only = byId("only"); // the panel of a trial that shows one image
const sides = only ? {} : { left: byId("left"), right: byId("right") };
const others = { tie: byId("tie"), bad: byId("bad"), real: byId("real"), made: byId("made") };
const heading = document.querySelector(".question");
const prompt = byId("prompt");
const builtIn = heading.textContent;
const middle = byId("input");
const panelOf = (element) => element.closest(".panel"); // where images are zoomed, an answer's button lies in it
const every = only ? { left: only } : { left: panelOf(sides.left), input: middle, right: panelOf(sides.right) };
const canvasOf = (panel) => panel.querySelector("canvas");
const viewport = panels.dataset.view === "zoom" ? openViewport() : null;

let current = null;
let over = false; // a last card stays, whatever a trial that had begun goes on to do

const isScale = (question) => Boolean(question?.options);
const scales = [...document.querySelectorAll(".scale")];
const scaleOf = (question) => byId(`scale-${question.id}`);
const stepsIn = (scale) => [...scale.querySelectorAll("button")];

/** Returns a map of a question's answers to their buttons, in their order; without a question, of both sides. */
export function buttonsOf(question) {
  if (isScale(question)) return new Map(stepsIn(scaleOf(question)).map((button) => [button.value, button]));
  const wanted = question?.answers ?? Object.keys(sides);
  const all = { ...sides, ...others };
  return new Map(wanted.map((answer) => [answer, all[answer]]));
}

/** Puts a question over the panels, and only its answers beside them. */
export function ask(question) {
  heading.textContent = question?.text ?? builtIn;
  const wanted = buttonsOf(question);
  for (const [answer, button] of Object.entries(others)) {
    button?.classList.remove("chosen");
    if (button) button.style.visibility = wanted.has(answer) ? "" : "hidden";
  }
  for (const scale of scales) {
    scale.classList.toggle("open", isScale(question) && scale === scaleOf(question));
    for (const button of stepsIn(scale)) button.classList.remove("chosen");
  }
  for (const panel of Object.values(every)) panel.classList.remove("chosen");
}

/** Makes the viewport that all images of a trial share, and lets the rater move it. */
function openViewport() {
  const canvases = Object.fromEntries(Object.entries(every).map(([side, panel]) => [side, canvasOf(panel)]));
  const told = byId("magnification");
  const made = new Viewport(canvases, (magnification) => { told.textContent = `${Math.round(100 * magnification)} %`; });
  listen(made, panels, { flicker: Boolean(byId("zoom-swap")) });
  return made;
}

/** Returns whether the images have changed places for as long as a key is held. */
export const areSwapped = () => Boolean(viewport?.swapped);

/** Returns what was done with the viewport, as the contract wants it; nothing without one. */
export const seenSince = (onset) => (viewport ? { viewport: viewport.seenSince(onset) } : {});

/** Returns the size of what is shown of a trial's images. */
const shownOf = (trial) => trial.window ?? trial;

export const layout = () => panels.dataset.layout;

/** Lays out empty panels for a trial; returns false when the window is too small for its images. */
export function prepare(trial) {
  current = trial;
  if (middle) middle.hidden = !trial.input;
  if (prompt) prompt.textContent = trial.prompt ?? "";
  for (const panel of Object.values(every)) {
    panel.classList.remove("chosen");
    const { width, height } = shownOf(trial);
    Object.assign(canvasOf(panel), { width, height });
  }
  return resize();
}

/** Fits the panels to the window; returns `{layout, scale}`, scale 0 when they do not fit. */
export function resize() {
  if (!current) return null;
  const ratio = window.devicePixelRatio;
  const { width, height } = shownOf(current);
  const count = only ? 1 : current.input ? 3 : 2;
  const found = layOut(panels, (room) => (viewport
    ? fitZoom({ count, trial: current, room, ratio })
    : fit({ count, width, height, room, ratio })));
  panels.dataset.layout = found.layout;
  if (!only) nameSides(found.layout);
  viewport?.fit(current, found);
  const size = found.panel ?? { width: width * found.scale, height: height * found.scale };
  for (const panel of Object.values(every)) place(canvasOf(panel), size, ratio);
  return found;
}

/**
 * Sizes one canvas, in device pixels, and moves it onto the grid of device pixels. By layout, not by a transform, which
 * Chromium snaps to the grid a second time.
 */
function place(canvas, { width, height }, ratio) {
  canvas.style.width = `${width / ratio}px`;
  canvas.style.height = `${height / ratio}px`;
  Object.assign(canvas.style, { left: "0", top: "0" });
  const { left, top } = canvas.getBoundingClientRect();
  const shift = (at) => (Math.round(at * ratio) - at * ratio) / ratio;
  Object.assign(canvas.style, { left: `${shift(left)}px`, top: `${shift(top)}px` });
}

function nameSides(how) {
  const names = how === "column" ? ["top", "bottom"] : ["left", "right"];
  sides.left.querySelector(".name").textContent = say(names[0]);
  sides.right.querySelector(".name").textContent = say(names[1]);
}

/** Returns the word for a side as the rater sees it: upper and lower when the panels are stacked. */
export function sideName(side) {
  const stacked = { left: "top", right: "bottom" };
  return say(`${layout() === "column" ? stacked[side] : side}_of`);
}

/** Draws all images; the caller does so inside one animation frame. */
export function draw(images) {
  if (viewport) {
    viewport.show(images);
    return;
  }
  for (const [side, panel] of Object.entries(every)) {
    if (images[side]) paint(canvasOf(panel), images[side]);
  }
}

/** Draws the trial's window; or all, enlarged by repeating pixels, so that a low-resolution input stays what it is. */
function paint(canvas, image) {
  const context = canvas.getContext("2d");
  if (current.window) {
    const { x, y, width, height } = current.window;
    context.drawImage(image, x, y, width, height, 0, 0, width, height);
    return;
  }
  const scale = Math.max(1, Math.floor(canvas.width / image.width));
  const [width, height] = [image.width * scale, image.height * scale];
  context.imageSmoothingEnabled = false;
  context.drawImage(image, (canvas.width - width) >> 1, (canvas.height - height) >> 1, width, height);
}

/** Takes the images away; neutral panels stay. */
export function clear() {
  viewport?.hide();
  for (const canvas of Object.values(every).map(canvasOf)) {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  }
}

/** Moves the page to one of its states: card, fixation, shown, choose, reason, feedback. */
export function enter(state) {
  if (over) return;
  panels.dataset.state = state;
  byId("card").hidden = state !== "card";
  const reason = byId("reason");
  if (reason) reason.hidden = state !== "reason";
  if (state !== "feedback") showFeedback(null);
}

export function openChoice(open) {
  for (const button of [...Object.values(sides), ...Object.values(others), ...scales.flatMap(stepsIn)]) {
    button?.setAttribute("aria-disabled", String(!open));
  }
}

export function markChoice(question, answer) {
  const button = buttonsOf(question).get(answer);
  (panelOf(button) ?? button).classList.add("chosen");
}

/** Returns what an answer is called on the page. */
export function nameOf(question, answer) {
  const button = buttonsOf(question).get(answer);
  const name = button.querySelector(".name") ?? button.querySelector(":scope > span") ?? button.lastChild;
  return name.textContent.trim();
}

export function announce(text) {
  byId("live").textContent = text;
}

/** Shows a line under the panels, with a button that must be pressed; null takes it away. */
function showFeedback(text) {
  byId("feedback").hidden = text === null;
  byId("hint").hidden = text !== null;
  byId("verdict").textContent = text ?? "";
}

export function feedback(text) {
  enter("feedback");
  showFeedback(text);
  return pressed(byId("next"));
}

export function hint(text) {
  byId("hint").textContent = text;
}

/** Shows a card in place of the panels; resolves when its button is pressed. */
export function card(name, values = {}) {
  enter("card");
  hint("");
  byId("card-title").textContent = say(`${name}_title`, values);
  byId("card-text").textContent = say(`${name}_text`, values);
  const button = byId("card-button");
  const label = words[`${name}_button`];
  button.hidden = !label;
  button.textContent = label ?? "";
  announce(`${byId("card-title").textContent} ${byId("card-text").textContent}`);
  return label ? pressed(button) : new Promise(() => {});
}

/** Shows a card that nothing replaces. */
export function lastCard(name) {
  const shown = card(name);
  over = true;
  return shown;
}

function pressed(button) {
  button.focus({ preventScroll: true });
  return new Promise((resolve) => button.addEventListener("click", resolve, { once: true }));
}

export function progress(kind, done, total) {
  byId("progress-text").textContent = say(kind, { done, total });
  Object.assign(byId("progress-bar"), { max: Math.max(1, total), value: done });
}

export function banner(name) {
  byId("banner").hidden = name === null;
  byId("banner-text").textContent = name === null ? "" : say(name);
}
