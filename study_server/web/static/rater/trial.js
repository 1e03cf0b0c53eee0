// The course of a session: open, then trial after trial until the server says where to go next.
//
// The server owns the sequence and the truth; this page holds opaque tokens, shows what they name,
// and reports the choice and how it was shown. docs/study-http.md is the contract.

import { Refused, backOff, isTemporary, pause, post } from "./api.js";
import { nextChoice } from "./choice.js";
import { Outbox } from "./outbox.js";
import { Prefetcher } from "./prefetch.js";
import { Draft, askReason } from "./reason.js";
import { measurePeriod, reveal, watchVisibility, whenVisible } from "./reveal.js";
import * as stage from "./stage.js";

const FIXATION_MS = 500;
const CHOSEN_MS = 180;
const PATIENCE_MS = 400;

const root = document.querySelector("main");
const api = root.dataset.api;
const tabName = `foolrate.tab.${api}`;
const viewsName = `foolrate.views.${api}`; // of the trial that was shown last, in whichever tab
const prefetcher = new Prefetcher();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const forever = () => new Promise(() => {});

let page = null; // this tab's page token
let state = null; // the server's last reply
let coming = []; // trials not answered here yet, the next one first
let current = null; // the trial on the screen
let halted = false;

const outbox = new Outbox(`foolrate.outbox.${api}`, {
  send: ({ kept_at, ...answer }, options) =>
    post(`${api}/answer`, { ...answer, page, late_ms: Date.now() - kept_at }, options),
  onTrouble: (error) => stage.banner(troubleName(error)),
  onRefused: halt,
});

const draft = new Draft(`foolrate.draft.${api}`);
const answered = new Set(outbox.entries.map(({ trial }) => trial));

function troubleName(error) {
  if (!error) return null;
  if (error instanceof Refused) return error.code === "paused" ? "paused_banner" : "busy";
  return "offline";
}

/** Stops this page for good: another tab has the session, or the study is over for it. */
async function halt(error) {
  if (halted) return;
  halted = true;
  stage.banner(null);
  const next = error.body?.next_url;
  if (error.code === "conflict") location.reload();
  else if (error.code === "finished" && next) location.replace(next);
  else if (["closed", "withdrawn", "finished"].includes(error.code)) {
    draft.forget();
    location.replace(`${api}/`);
  }
  else {
    await stage.lastCard(error.code === "elsewhere" ? "elsewhere" : "broken");
    location.reload();
  }
}

/** Takes the session over for this tab, then sends what an earlier page could not. */
async function open() {
  for (let attempt = 0; ; attempt++) {
    try {
      learn(await post(`${api}/open`, {}));
      break;
    } catch (error) {
      if (!isTemporary(error)) return halt(error);
      if (error.code === "paused") stage.card("paused");
      else stage.banner(troubleName(error));
      await pause(Math.max(error.wait ?? 0, backOff(attempt)));
    }
  }
  stage.banner(null);
  page = state.page;
  announceTab();
  if (outbox.entries.length) learn(await outbox.flush());
}

/** Tells other tabs of this browser at once; tabs elsewhere learn it from the server. */
function announceTab() {
  try {
    localStorage.setItem(tabName, page);
  } catch {
    // Without storage only the server tells the other tab.
  }
}

function learn(reply) {
  if (!reply) return;
  state = { ...state, ...reply };
  const known = new Set(coming.map(({ trial }) => trial));
  const fresh = reply.trials.filter(({ trial }) => !known.has(trial) && !answered.has(trial));
  coming = [...coming, ...fresh].sort((a, b) => a.position - b.position);
  keepImages();
}

/** Loads what is coming; the images on the screen stay until the trial is over. */
function keepImages() {
  prefetcher.want(current ? [current, ...coming] : coming);
}

/** Returns the decoded images, with a retry button for as long as they cannot be had. */
async function imagesOf(trial) {
  for (;;) {
    const images = prefetcher.get(trial);
    const slow = setTimeout(() => stage.card("loading"), PATIENCE_MS);
    try {
      return await images;
    } catch {
      prefetcher.drop(trial.trial);
    } finally {
      clearTimeout(slow);
    }
    await stage.card("images_failed");
  }
}

/** Waits until the window is large enough for one device pixel per image pixel. */
async function makeRoom(trial) {
  stage.enter("fixation");
  if (stage.prepare(trial).scale) return;
  stage.card("too_small");
  while (!stage.resize().scale) await new Promise((resolve) => addEventListener("resize", resolve, { once: true }));
}

/** How often this browser has shown the trial; more than once after a reload or in a second tab. */
function countView({ trial }) {
  try {
    const last = JSON.parse(localStorage.getItem(viewsName)) ?? {};
    const views = last.trial === trial ? last.views + 1 : 1;
    localStorage.setItem(viewsName, JSON.stringify({ trial, views }));
    return views;
  } catch {
    return null;
  }
}

/** Takes one answer to each question; returns the first one, and the later ones by question. */
async function answerAll(questions, accepts) {
  const first = await nextChoice(stage.buttonsOf(questions[0]), stage.layout, accepts);
  stage.markChoice(questions[0], first.choice);
  const later = {};
  for (const question of questions.slice(1)) {
    await sleep(CHOSEN_MS);
    stage.ask(question);
    stage.announce(question.text);
    const since = performance.now();
    const there = (at) => at >= since;
    const next = await nextChoice(stage.buttonsOf(question), stage.layout, there, Boolean(question.options));
    later[question.id] = { choice: next.choice, rt_ms: next.at - since };
    stage.markChoice(question, next.choice);
  }
  return { ...first, later };
}

/** Returns the answers to all questions as the contract wants them; nothing where there are none. */
function answersOf(questions, first, later) {
  return questions.length ? { answers: { [questions[0].id]: first, ...later } } : {};
}

/** Returns what was answered, in the page's words and the order of the questions. */
function namesOf({ choice, answers }, questions) {
  if (!questions.length) return [stage.nameOf(undefined, choice)];
  return questions.map((question) => stage.nameOf(question, answers[question.id].choice));
}

/** Shows one trial and returns the answer as the contract wants it. */
async function present(trial, images) {
  const { exposure_ms: target, answer_while_shown: early, questions } = state.settings;
  stage.ask(questions[0]);
  await makeRoom(trial);
  await whenVisible();
  stage.enter("fixation");
  stage.hint("");
  const period = await measurePeriod(FIXATION_MS);
  const { scale, layout } = stage.resize();
  const views = countView(trial);
  const visibility = watchVisibility();
  const control = { stop: false };
  let opens = target > 0 && !early ? Infinity : 0; // the time from which answers count
  let onset = Infinity;
  const choosing = answerAll(questions, (at) => at >= Math.max(opens, onset) && !stage.areSwapped());
  choosing.then(() => { control.stop = true; });
  const showing = reveal({
    draw: () => { stage.enter("shown"); stage.draw(images); },
    clear: stage.clear,
    target, period, control,
    onOnset: (at) => { onset = at; stage.openChoice(opens === 0); },
  });
  const { exposure_ms, refresh_hz, dropped_frames } = await showing;
  opens = Math.min(opens, onset + exposure_ms);
  if (!control.stop) {
    stage.enter("choose");
    stage.openChoice(true);
    stage.hint(stage.say("choose"));
    stage.announce(stage.say("choose"));
  }
  const { choice, at, input, later } = await choosing;
  const seen = stage.seenSince(onset);
  stage.openChoice(false);
  const rt_ms = at - onset;
  return {
    trial: trial.trial, choice, ...answersOf(questions, { choice, rt_ms }, later), rt_ms, exposure_ms, refresh_hz, dropped_frames, input, layout, views, scale,
    pixel_ratio: window.devicePixelRatio, ...seen,
    answered_during_exposure: target > 0 && rt_ms < exposure_ms,
    ...visibility.stop(),
  };
}

/** Returns the answer with its reason where one is asked for: after the choice, the images gone. */
async function explain(trial, answer, kept) {
  const { reason: setting } = state.settings;
  if (!trial.reason || !setting || answer.choice === null) return answer;
  const names = kept?.names ?? namesOf(answer, state.settings.questions);
  if (kept) {
    stage.ask(state.settings.questions[0]);
    await makeRoom(trial);
  } else await sleep(CHOSEN_MS);
  stage.clear();
  stage.hint("");
  const keep = (written) => draft.keep({ answer, names, written });
  keep(kept?.written ?? "");
  const reason = await askReason({ setting, names, written: kept?.written ?? "", onChange: keep });
  return { ...answer, ...reason };
}

/** Returns what is said of a practised answer: which image was the photograph, or what the only one was. */
function verdictOn(choice, correct) {
  const other = { left: "right", right: "left", real: "made", made: "real" }[choice];
  const truth = correct ? choice : other;
  const name = correct ? "right_answer" : "wrong_answer";
  if (state.settings.task === "single") return stage.say(`${name}_${truth}`);
  return stage.say(`${name}_${state.settings.task}`, { side: stage.sideName(truth) });
}

/** Says whether a practised answer was right, and shows the images again. */
async function giveFeedback(choice, correct, images) {
  stage.draw(images);
  const text = verdictOn(choice, correct);
  stage.announce(text);
  await stage.feedback(text);
}

/** Shows the cards that come before some trials: the start, the main part, a break. */
async function lead(trial, before) {
  const { done, total } = state.progress;
  if (!before) await stage.card(done ? "resume" : `${trial.kind}_start`, { total });
  else if (before.kind === "practice" && trial.kind === "main") await stage.card("main_start", { total });
  else if (trial.break_before) await stage.card("rest", { done: done + outbox.entries.length, total });
}

function showProgress(trial) {
  const { done, total } = state.progress;
  const here = Math.min(total, done + outbox.entries.length + 1);
  stage.progress(trial.kind, here, total);
  stage.announce(stage.say(trial.kind, { done: here, total }));
}

async function runTrial(trial, before) {
  await lead(trial, before);
  showProgress(trial);
  const images = await imagesOf(trial);
  const kept = draft.of(trial.trial);
  const choice = kept?.answer ?? await present(trial, images);
  if (halted) return forever();
  const answer = await explain(trial, choice, kept);
  if (halted) return forever();
  answered.add(trial.trial);
  current = coming.shift();
  const reply = outbox.add(answer).then((data) => { learn(data); return data; });
  draft.forget();
  await sleep(CHOSEN_MS);
  if (trial.kind === "practice") {
    const { feedback } = (await reply) ?? {};
    if (feedback) await giveFeedback(answer.choice, feedback.correct, images);
  }
  stage.clear();
  current = null;
  keepImages();
}

/** Goes on to the next page once every answer has been acknowledged. */
async function finish() {
  if (outbox.entries.length) stage.card("saving");
  await outbox.flush();
  if (!halted && state.next_url) location.replace(state.next_url);
  return Boolean(state.next_url);
}

async function run() {
  await open();
  for (let before = null; !halted; ) {
    const trial = coming[0];
    if (trial) {
      await runTrial(trial, before);
      before = trial;
    } else if (await finish()) return;
    else if (!coming.length) await open();
  }
}

function heartbeat() {
  if (!halted && page && !document.hidden) {
    post(`${api}/heartbeat`, { page }).catch((error) => { if (!isTemporary(error)) halt(error); });
  }
  setTimeout(heartbeat, 1000 * (state?.settings?.heartbeat_s ?? 20));
}

addEventListener("resize", () => stage.resize());
addEventListener("pagehide", () => outbox.lastCall());
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
addEventListener("offline", () => stage.banner("offline"));
addEventListener("online", () => { stage.banner(null); outbox.flush(); });
addEventListener("storage", ({ key, newValue }) => {
  if (key === tabName && newValue !== page) halt({ code: "elsewhere" });
});

setTimeout(heartbeat, 20_000);
run();
