// Toasts go after six seconds, but not while somebody reads them.

const STAY = 6000;

export function toasts(root) {
  for (const toast of root.querySelectorAll(".toasts > .toast:not([data-started])")) begin(toast);
}

/** Says that something did not work; it stays until somebody has read it. */
export function complain(words) {
  const toast = document.createElement("div");
  toast.className = "toast bad";
  toast.dataset.started = "";
  const text = Object.assign(document.createElement("span"), { textContent: words });
  const dismiss = Object.assign(document.createElement("button"), { type: "button", className: "btn btn-s", textContent: "Dismiss" });
  dismiss.addEventListener("click", () => toast.remove());
  toast.append(text, dismiss);
  document.querySelector(".toasts")?.replaceChildren(toast);
}

function begin(toast) {
  toast.dataset.started = "";
  let timer;
  const start = () => (timer = setTimeout(() => toast.remove(), STAY));
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", start);
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.querySelector("[data-dismiss]")?.addEventListener("click", () => toast.remove());
  start();
}
