// The one script of every page: htmx and the small behaviours of the shell. Pages work without it.
import htmx from "htmx.org/dist/htmx.esm.js";
import { copyOnClick } from "./copy.js";
import { openDialogs } from "./dialog.js";
import { switchTheme } from "./theme.js";
import { navigation } from "./navigation.js";
import { editRows } from "./rows.js";
import { selectTabs } from "./tabs.js";
import { relativeTimes } from "./time.js";
import { complain, toasts } from "./toast.js";

const csrf = () => document.querySelector("meta[name=csrf]")?.content;

document.addEventListener("htmx:config:request", ({ detail }) => {
  const token = csrf();
  if (token) detail.ctx.request.headers["x-csrf-token"] = token;
});

// An error page is not swapped into a part of this one: its words are shown instead.
document.addEventListener("htmx:response:error", ({ detail }) => {
  if (detail.ctx.response.raw.status === 422) return;
  const page = new DOMParser().parseFromString(detail.ctx.text ?? "", "text/html");
  complain([...page.querySelectorAll("main h1, main h1 + p")].map((part) => part.textContent).join(". ") || "That did not work.");
});
document.addEventListener("htmx:error", () => complain("The server did not answer. Try again in a moment."));

/** Starts what belongs to the elements of `root`: the page, or what htmx has just put into it. */
function start(root) {
  editRows(root);
  selectTabs(root);
  relativeTimes(root);
  toasts(root);
  if (root.querySelector("[data-spy]")) import("./spy.js").then((spy) => spy.follow(root));
  if (root.querySelector("[data-live]")) import("./live.js").then((live) => live.keepLive(root, start));
  if (root.querySelector("[data-chart]")) import("./charts.js").then((charts) => charts.draw(root));
}

copyOnClick();
openDialogs(htmx);
switchTheme();
navigation();
start(document);
document.addEventListener("htmx:after:swap", () => start(document));
// A failed save is answered with the form again: go to the first thing to mend.
document.querySelector("[aria-invalid=true]")?.focus();
