// The debrief page: a button that copies the completion code.

const button = document.getElementById("copy");
const code = document.getElementById("code");
const status = document.getElementById("copied");

/** Pages served without TLS have no clipboard interface; selecting the code is the next best. */
async function copy() {
  try {
    await navigator.clipboard.writeText(code.textContent.trim());
    status.textContent = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(code);
    status.textContent = button.dataset.selected;
  }
}

button?.addEventListener("click", copy);
