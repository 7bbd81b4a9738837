// Lists in forms grow and shrink in place. Without this, the same buttons ask the server for the form again.

export function editRows(root) {
  for (const list of root.querySelectorAll("[data-rows]:not([data-started])")) begin(list);
}

function begin(list) {
  list.dataset.started = "";
  const own = (element) => element.closest("[data-rows]") === list;
  const template = [...list.querySelectorAll("template")].find(own);
  const rows = template.parentElement;
  let next = Number(list.dataset.next);
  for (const button of list.querySelectorAll("[name=_add], [name=_remove]")) if (own(button)) button.type = "button";
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[name=_add], [name=_remove]");
    if (!button || !own(button)) return;
    event.preventDefault();
    if (button.name === "_remove") remove(button.closest("[data-row]"), list);
    else add(template, rows, list.dataset.rows, next++);
  });
}

function add(template, rows, mark, index) {
  const copy = document.createElement("template");
  copy.innerHTML = template.innerHTML.replaceAll(`__${mark}__`, index);
  const row = copy.content.firstElementChild;
  rows.insertBefore(row, template);
  for (const button of row.querySelectorAll("[name=_add], [name=_remove]")) button.type = "button";
  editRows(row);
  row.querySelector("input:not([type=hidden]), select, textarea")?.focus();
}

function remove(row, list) {
  const neighbour = row.previousElementSibling ?? row.nextElementSibling;
  row.remove();
  const focus = neighbour?.querySelector("input:not([type=hidden]), select") ?? list.querySelector("[name=_add]");
  focus?.focus();
}
