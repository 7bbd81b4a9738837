// Toasts go after six seconds, but not while somebody reads them.

const STAY = 6000;

export function toasts(root) {
  for (const toast of root.querySelectorAll(".toasts > .toast:not([data-started])")) begin(toast);
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
