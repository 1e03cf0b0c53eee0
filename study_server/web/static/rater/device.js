// The device check: does the window hold the images, can the browser decode them, how does the rater
// answer? The page measures; what is enough, the server says.

import { compact, roomIn } from "./fit.js";
import { loadImage } from "./prefetch.js";
import { measurePeriod } from "./reveal.js";

const root = document.querySelector("main");
const form = document.forms.device;
const { go, leave } = form.elements;
const row = (name) => document.getElementById(`check-${name}`);
const passed = { size: false, decode: false };

function report(name, ok, value) {
  row(name).dataset.state = ok ? "ok" : "bad";
  row(name).querySelector(".value").textContent = value;
  row(name).querySelector(".mark .visually-hidden").textContent = root.dataset[ok ? "ok" : "bad"];
  if (name in passed) passed[name] = ok;
}

function keep(values) {
  for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
}

/**
 * Measures the room in an unseen copy of the trial page, with its question, labels and margins: in the
 * compact layout, which the trial page takes where the images do not fit otherwise.
 */
function measureRoom() {
  const panels = document.getElementById("panels");
  compact(panels, true);
  const room = roomIn(panels);
  return {
    width: innerWidth, height: innerHeight, pixel_ratio: devicePixelRatio,
    row_width: room.row.width, row_height: room.row.height,
    column_width: room.column.width, column_height: room.column.height,
  };
}

async function checkSize() {
  const room = measureRoom();
  keep(room);
  const reply = await fetch(`device/fits?${new URLSearchParams(room)}`).catch(() => null);
  if (room.width !== innerWidth || room.height !== innerHeight) return; // resized in the meantime
  const { fits } = reply?.ok ? await reply.json() : { fits: true }; // without a word, the form asks again
  report("size", fits, `${room.width} × ${room.height}`);
  offer();
}

async function checkDecoding() {
  const ok = await loadImage(root.dataset.testImage).then(() => true, () => false);
  keep({ decode_ok: Number(ok) });
  report("decode", ok, root.dataset[ok ? "works" : "fails"]);
}

async function checkFrames() {
  const rate = 1000 / (await measurePeriod(700));
  keep({ refresh_hz: rate.toFixed(2) });
  report("frames", true, `${Math.round(rate)} Hz`);
}

function checkInput() {
  const coarse = matchMedia("(pointer: coarse) and (hover: none)").matches;
  keep({ input: coarse ? "touch" : "keyboard" });
  report("input", true, root.dataset[coarse ? "touch" : "keyboard"]);
}

/** A window can be made larger, so a failed check offers a way out and does not yet decide. */
function offer() {
  const finished = document.querySelectorAll(".checks [data-state]").length === 4;
  const ok = passed.size && passed.decode;
  go.disabled = !finished || !ok;
  leave.hidden = !finished || ok;
}

async function check() {
  checkInput();
  addEventListener("resize", checkSize);
  await Promise.all([checkSize(), checkDecoding(), checkFrames()]);
  offer();
}

check();
