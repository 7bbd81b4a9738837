// Copy buttons: `data-copy` holds the text, or `data-copy-from` the id of the element that shows it.

export function copyOnClick() {
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("[data-copy], [data-copy-from]");
    if (!button) return;
    const text = button.dataset.copy ?? document.getElementById(button.dataset.copyFrom)?.textContent;
    try {
      await navigator.clipboard.writeText(text);
      say(button, "Copied");
    } catch {
      select(button);
      say(button, "Press Ctrl C");
    }
  });
}

/** Shows an answer in the button for two seconds; its label is a live region. */
function say(button, words) {
  const label = button.querySelector("[data-label]");
  button.dataset.done = "";
  const before = label?.dataset.before ?? label?.textContent;
  if (label) {
    label.dataset.before = before;
    label.textContent = words;
  }
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    delete button.dataset.done;
    if (label) label.textContent = before;
  }, 2000);
}

/** Without a clipboard (an http address that is not loopback) the text is at least selected. */
function select(button) {
  const shown = document.getElementById(button.dataset.copyFrom) ?? button.parentElement.querySelector("code");
  if (shown) getSelection().selectAllChildren(shown);
}
