// The command palette: type, arrow keys, Enter. What it finds, the server says.

const URL = "/console/palette.json";
let dialog;

export function open() {
  if (!dialog?.isConnected) dialog = make();
  if (dialog.open) return;
  dialog.showModal();
  const input = dialog.querySelector("input");
  input.select();
  ask(input.value);
}

function make() {
  const icons = document.querySelector("meta[name=icons]").content;
  const made = document.createElement("dialog");
  made.className = "palette";
  made.setAttribute("aria-label", "Command palette");
  made.innerHTML = `<div class="search"><svg class="i" aria-hidden="true"><use href="${icons}#search"/></svg>
    <input class="input" type="text" name="q" placeholder="Search or jump to" aria-label="Search or jump to" role="combobox" autocomplete="off"
      spellcheck="false" aria-expanded="true" aria-controls="palette-list" aria-autocomplete="list"><kbd>Esc</kbd></div>
    <ul role="listbox" id="palette-list" aria-label="Results"></ul><p class="palette-none faint small" role="status" hidden></p>`;
  document.body.append(made);
  let timer;
  made.addEventListener("input", ({ target }) => {
    clearTimeout(timer);
    timer = setTimeout(() => ask(target.value), 120);
  });
  made.addEventListener("keydown", keys);
  made.addEventListener("click", ({ target }) => {
    if (target === made) made.close();
    const option = target.closest("[role=option]");
    if (option) go(option);
  });
  made.addEventListener("pointermove", ({ target }) => choose(target.closest?.("[role=option]")));
  return made;
}

const options = () => [...dialog.querySelectorAll("[role=option]")];
const chosen = () => dialog.querySelector("[aria-selected=true]");
const go = (option) => location.assign(option.dataset.href);

function keys(event) {
  const all = options();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && all.length) {
    event.preventDefault();
    choose(all[(all.indexOf(chosen()) + step + all.length) % all.length]);
  }
  if (event.key === "Enter" && chosen()) {
    event.preventDefault();
    go(chosen());
  }
}

function choose(option) {
  if (!option || option === chosen()) return;
  chosen()?.setAttribute("aria-selected", false);
  option.setAttribute("aria-selected", true);
  option.scrollIntoView({ block: "nearest" });
  dialog.querySelector("input").setAttribute("aria-activedescendant", option.id);
}

let asked = 0;
async function ask(text) {
  const number = ++asked;
  const note = dialog.querySelector(".palette-none");
  try {
    const answer = await fetch(`${URL}?q=${encodeURIComponent(text)}`, { headers: { accept: "application/json" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.status);
    const { groups } = await answer.json();
    if (number !== asked) return;
    show(groups);
    note.hidden = groups.length > 0;
    note.textContent = groups.length ? "" : `Nothing is called “${text}”.`;
  } catch {
    if (number !== asked) return;
    show([]);
    note.hidden = false;
    note.textContent = "The search did not answer. Try again in a moment.";
  }
}

function show(groups) {
  const list = dialog.querySelector("[role=listbox]");
  const icons = document.querySelector("meta[name=icons]").content;
  let count = 0;
  list.replaceChildren(...groups.flatMap(({ title, items }) => [
    element("li", { role: "presentation" }, title),
    ...items.map(({ icon, title, hint, href }) => {
      const option = element("li", { role: "option", id: `palette-${count++}`, "aria-selected": "false", "data-href": href });
      option.innerHTML = `<svg class="i" aria-hidden="true"><use href="${icons}#${icon}"/></svg>`;
      option.append(title, element("small", {}, hint));
      return option;
    }),
  ]));
  choose(options()[0]);
}

function element(name, attributes, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(text);
  return made;
}
