// The navigation drawer of small screens, and the keyboard: `Ctrl K` and `/`.

export function navigation() {
  const root = document.documentElement;
  const show = (open) => {
    const drawer = document.getElementById("nav");
    const button = document.querySelector("[data-nav-toggle]");
    root.dataset.nav = open ? "open" : "";
    button?.setAttribute("aria-expanded", open);
    if (open) drawer.querySelector("a, button").focus();
    else if (drawer?.contains(document.activeElement)) button?.focus();
  };
  document.addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-nav-toggle]")) show(root.dataset.nav !== "open");
    else if (root.dataset.nav === "open" && !target.closest?.("#nav")) show(false);
    if (target.closest?.("[data-palette]")) openPalette();
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.dataset.nav === "open") show(false);
    if (event.key === "Escape") closeMenus();
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      if (!document.querySelector("[data-palette]")) return;
      event.preventDefault();
      openPalette();
    }
    if (event.key === "/" && !typing(event)) focusSearch(event);
  });
}

const openPalette = () => import("./palette.js").then((palette) => palette.open());

function closeMenus() {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

const typing = ({ target, ctrlKey, metaKey, altKey }) =>
  ctrlKey || metaKey || altKey || target.closest?.("input, textarea, select, [contenteditable], dialog");

function focusSearch(event) {
  const search = document.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
}
