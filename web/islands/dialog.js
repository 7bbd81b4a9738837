// Confirmation in a dialog. The link leads to a page that asks the same; here its question is shown in place.

export function openDialogs(htmx) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open(link.href, htmx);
    }
    if (event.target.closest?.("dialog [data-close]")) {
      event.preventDefault();
      event.target.closest("dialog").close();
    }
  });
  document.addEventListener("input", ({ target }) => unlock(target));
  for (const input of document.querySelectorAll("[data-must-equal]")) unlock(input);
}

async function open(url, htmx) {
  let question;
  try {
    const answer = await fetch(url, { headers: { "HX-Request": "true" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    question = answer.ok && page.querySelector("[data-question]");
  } catch {
    question = null;
  }
  if (!question) return location.assign(url);
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", question.getAttribute("aria-labelledby"));
  question.classList.remove("dialog");
  dialog.append(question);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  htmx.process(dialog);
  for (const input of dialog.querySelectorAll("[data-must-equal]")) unlock(input);
  dialog.showModal();
}

/** What must be typed to confirm opens the button; the server checks it again. */
function unlock(input) {
  if (input.dataset?.mustEqual === undefined) return;
  const button = input.form.querySelector("[data-danger]");
  if (button) button.disabled = input.value.trim() !== input.dataset.mustEqual;
}
