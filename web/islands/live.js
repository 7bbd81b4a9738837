// Parts of a page that show what is so now: fetched anew every few seconds, while somebody looks.

/** Without a hand on the machine for so long nobody looks, and a session may end. */
const AWAY = 10 * 60_000;
let touched = Date.now();
for (const kind of ["pointermove", "keydown", "scroll"]) addEventListener(kind, () => (touched = Date.now()), { passive: true });

export function keepLive(root, started) {
  for (const part of root.querySelectorAll("[data-live]:not([data-started])")) follow(part, started);
}

function follow(part, started) {
  part.dataset.started = "";
  const again = () => setTimeout(refresh, Number(part.dataset.live) * 1000);
  const refresh = async () => {
    const isWanted = !document.hidden && Date.now() - touched < AWAY && !document.querySelector("dialog[open]");
    const fresh = isWanted && (await ask(part.id));
    if (!part.isConnected) return;
    if (!fresh) return again();
    const focus = part.contains(document.activeElement) && document.activeElement.id;
    part.replaceWith(fresh);
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
    started(fresh.parentElement);
  };
  again();
}

/** The part as it is now; nothing when the server does not answer with it. */
async function ask(id) {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(5000) });
    if (!answer.ok || answer.redirected) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
  } catch {
    return null;
  }
}
