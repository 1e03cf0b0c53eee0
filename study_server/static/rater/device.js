// The device check: is the window large enough, does it decode our images, what is the rater's input?

import { fit } from "./fit.js";
import { loadImage } from "./prefetch.js";
import { measurePeriod } from "./reveal.js";

const root = document.querySelector("main");
const form = document.forms.device;
const { imageWidth, imageHeight, panelCount } = root.dataset;
const row = (name) => document.getElementById(`check-${name}`);

function report(name, ok, value) {
  row(name).dataset.state = ok ? "ok" : "bad";
  row(name).querySelector(".value").textContent = value;
  row(name).querySelector(".mark .visually-hidden").textContent = root.dataset[ok ? "ok" : "bad"];
}

/** What the trial page needs beside the images: question, labels, progress. In CSS pixels. */
const FRAME = { width: 32, height: 190 };

function checkSize() {
  const { innerWidth: width, innerHeight: height, devicePixelRatio: ratio } = window;
  Object.assign(form.elements.width, { value: width });
  Object.assign(form.elements.height, { value: height });
  Object.assign(form.elements.pixel_ratio, { value: ratio });
  const { scale } = fit({
    count: Number(panelCount),
    width: Number(imageWidth),
    height: Number(imageHeight),
    box: { width: width - FRAME.width, height: height - FRAME.height },
    gap: { row: 0, column: 0 },
    label: { row: 0, column: 0 },
    ratio,
  });
  const ok = scale > 0;
  report("size", ok, `${width} × ${height}`);
  return ok;
}

async function checkDecoding() {
  const ok = await loadImage(root.dataset.testImage).then(
    (image) => image.width > 0,
    () => false,
  );
  form.elements.decode_ok.value = Number(ok);
  report("decode", ok, root.dataset[ok ? "works" : "fails"]);
  return ok;
}

async function checkFrames() {
  const rate = 1000 / (await measurePeriod(700));
  form.elements.refresh_hz.value = rate.toFixed(2);
  report("frames", true, `${Math.round(rate)} Hz`);
}

function checkInput() {
  const coarse = matchMedia("(pointer: coarse) and (hover: none)").matches;
  form.elements.input.value = coarse ? "touch" : "keyboard";
  report("input", true, root.dataset[coarse ? "touch" : "keyboard"]);
}

async function check() {
  checkInput();
  checkSize();
  addEventListener("resize", checkSize);
  await Promise.all([checkDecoding(), checkFrames()]);
  form.elements.go.disabled = false;
}

check();
