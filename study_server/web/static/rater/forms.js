// The form pages: a form is sent once, however often its button is pressed.

for (const form of document.forms) {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
}

// A page kept by the back button may hold a form that was sent; ask the server where the rater is.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
