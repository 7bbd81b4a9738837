// Tabs over blocks of one page, such as a sample in several languages. The choice is kept for the next page, and holds
// for every group of tabs of the same kind. The class "later" hides a block until this runs, so that nothing jumps.

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
      const panel = document.getElementById(one.getAttribute("aria-controls"));
      panel.hidden = !chosen;
      panel.classList.remove("later");
    }
  };
  /** Keeps the chosen tab where it is on the screen: groups above it may change their height. */
  const choose = (tab) => {
    const before = tab.getBoundingClientRect().top;
    localStorage.setItem(KEY + group.dataset.tabs, tab.dataset.tab);
    for (const other of document.querySelectorAll(`[data-tabs="${group.dataset.tabs}"]`)) {
      other.dispatchEvent(new CustomEvent("tabs:chosen", { detail: tab.dataset.tab }));
    }
    scrollBy({ top: tab.getBoundingClientRect().top - before, behavior: "instant" });
  };
  const remembered = localStorage.getItem(KEY + group.dataset.tabs);
  select(tabs.find((tab) => tab.dataset.tab === remembered) ?? tabs[0]);
  group.addEventListener("click", ({ target }) => {
    const tab = target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  group.addEventListener("tabs:chosen", ({ detail }) => {
    const tab = tabs.find((one) => one.dataset.tab === detail);
    if (tab) select(tab);
  });
  group.addEventListener("keydown", ({ key, target }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    const at = tabs.indexOf(target);
    if (!step || at < 0) return;
    const tab = tabs[(at + step + tabs.length) % tabs.length];
    choose(tab);
    tab.focus();
  });
}
