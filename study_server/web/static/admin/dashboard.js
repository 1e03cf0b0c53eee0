// Keeps the dashboard up to date: asks for the panels every few seconds and swaps those that changed.
// A panel in use (focus inside, or an open disclosure) keeps its focus; "Hold updates" stops it all.

const root = document.getElementById("live");
const updated = document.getElementById("updated");
const hold = document.getElementById("hold");
const every = Number(root.dataset.every);
const shown = new Map();
let held = false;
let failures = 0;
let timer = 0;

function clock(iso) {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

function swap(name, html) {
  const panel = document.getElementById(name);
  if (!panel || shown.get(name) === html) return;
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && panel.contains(selection.anchorNode)) return;
  const focus = panel.contains(document.activeElement) ? document.activeElement : null;
  const place = focus && (focus.id ? `#${CSS.escape(focus.id)}` : focus.tagName.toLowerCase());
  const open = [...panel.querySelectorAll("details")].map((each) => each.open);
  const scrolled = panel.querySelector(".scroll")?.scrollTop ?? 0;
  panel.innerHTML = html;
  panel.querySelectorAll("details").forEach((each, k) => { each.open = open[k] ?? false; });
  const scroller = panel.querySelector(".scroll");
  if (scroller) scroller.scrollTop = scrolled;
  if (place) panel.querySelector(place)?.focus({ preventScroll: true });
  shown.set(name, html);
}

async function refresh() {
  try {
    const answer = await fetch(root.dataset.source, { headers: { Accept: "application/json" } });
    if (answer.status === 401) {
      updated.textContent = "You were logged out: reload the page to log in again.";
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const news = await answer.json();
    if (!held) {
      for (const [name, html] of Object.entries(news.panels)) swap(name, html);
      updated.textContent = `as of ${clock(news.at)}`;
    }
    failures = 0;
  } catch {
    failures += 1;
    updated.textContent = "The server does not answer; trying again.";
  }
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (held || document.hidden) return;
  timer = setTimeout(refresh, every * Math.min(2 ** failures, 12));
}

hold.hidden = false;
hold.addEventListener("click", () => {
  held = !held;
  hold.setAttribute("aria-pressed", String(held));
  if (held) schedule(); else refresh();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && !held) refresh(); });
schedule();
