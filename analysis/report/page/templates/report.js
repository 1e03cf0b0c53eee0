"use strict";
// Sorting, tooltips, the picture viewer and one copy button. No network, no framework.
(() => {
  const value = (cell) => {
    const raw = cell.dataset.value;
    if (raw === undefined) return cell.textContent.trim().toLowerCase();
    return raw === "" ? -Infinity : Number(raw);
  };
  const order = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((x, y) => (down ? -1 : 1) * order(value(x.cells[column]), value(y.cells[column])));
        table.tBodies[0].append(...rows);
      });
    });
  }

  const tip = document.createElement("div");
  tip.id = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const place = (event) => {
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const top = event.clientY + 16 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 16;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${top}px`;
  };
  for (const mark of document.querySelectorAll("svg .mark")) {
    const title = mark.querySelector("title");
    const words = title ? title.textContent : "";
    if (title) title.remove(); // else the browser shows its own tooltip as well
    mark.addEventListener("pointerenter", (event) => { tip.textContent = words; tip.hidden = false; place(event); });
    mark.addEventListener("pointermove", place);
    mark.addEventListener("pointerleave", () => { tip.hidden = true; });
  }

  const store = JSON.parse(document.getElementById("pictures").textContent);
  const viewer = document.getElementById("viewer");
  const plates = viewer.querySelector(".plates");
  const plate = (picture) => {
    const figure = document.createElement("figure");
    const image = new Image(picture.width, picture.height);
    const caption = document.createElement("figcaption");
    image.src = picture.src;
    image.alt = picture.alt;
    caption.textContent = picture.words;
    figure.append(image, caption);
    return figure;
  };
  const show = (id) => {
    if (!(id in store)) return;
    tip.hidden = true;
    document.getElementById("viewer-title").textContent = id;
    plates.replaceChildren(...store[id].map(plate));
    viewer.showModal();
  };
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-item]");
    if (target) show(target.dataset.item);
    if (event.target === viewer) viewer.close();
  });

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const words = document.getElementById(button.dataset.copy).innerText;
      try { await navigator.clipboard.writeText(words); button.textContent = "Copied"; }
      catch { getSelection().selectAllChildren(document.getElementById(button.dataset.copy)); button.textContent = "Selected: press Ctrl+C"; }
    });
  }
})();
