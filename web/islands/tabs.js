// Tabs over blocks of one page, such as a sample in several languages. The choice is kept for the next page.

const KEY = "tab:";

export function selectTabs(root) {
  for (const group of root.querySelectorAll("[data-tabs]:not([data-started])")) begin(group);
}

function begin(group) {
  group.dataset.started = "";
  const tabs = [...group.querySelectorAll("[role=tab]")];
  const select = (tab) => {
    for (const one of tabs) {
      const chosen = one === tab;
      one.setAttribute("aria-selected", chosen);
      one.tabIndex = chosen ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !chosen;
    }
  };
  const remembered = localStorage.getItem(KEY + group.dataset.tabs);
  select(tabs.find((tab) => tab.dataset.tab === remembered) ?? tabs[0]);
  group.addEventListener("click", ({ target }) => {
    const tab = target.closest("[role=tab]");
    if (!tab) return;
    select(tab);
    localStorage.setItem(KEY + group.dataset.tabs, tab.dataset.tab);
  });
  group.addEventListener("keydown", ({ key, target }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    const at = tabs.indexOf(target);
    if (!step || at < 0) return;
    const tab = tabs[(at + step + tabs.length) % tabs.length];
    select(tab);
    tab.focus();
  });
}
