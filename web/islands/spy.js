// Marks the link of a table of contents whose part of the page is being read.

export function follow(root) {
  for (const contents of root.querySelectorAll("[data-spy]:not([data-started])")) begin(contents);
}

function begin(contents) {
  contents.dataset.started = "";
  const links = new Map([...contents.querySelectorAll("a")].map((link) => [document.getElementById(link.hash.slice(1)), link]));
  links.delete(null);
  const mark = () => {
    // The part that has passed the upper third of the window last.
    const passed = [...links.keys()].filter((part) => part.getBoundingClientRect().top < innerHeight / 3);
    const atEnd = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 4;
    const current = atEnd ? [...links.keys()].at(-1) : (passed.at(-1) ?? links.keys().next().value);
    for (const [part, link] of links) {
      if (part !== current) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) show(link, contents);
    }
  };
  let due = 0;
  addEventListener("scroll", () => (due ||= requestAnimationFrame(() => ((due = 0), mark()))), { passive: true });
  mark();
}

/** Brings the link into view, without moving the page. */
function show(link, contents) {
  link.setAttribute("aria-current", "true");
  contents.scrollTo({ top: link.offsetTop - contents.clientHeight / 2, left: link.offsetLeft - contents.clientWidth / 2 });
}
