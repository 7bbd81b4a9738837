// Times that say how long ago they were keep saying it right.

const STEPS = [[60, 1, "second"], [3600, 60, "minute"], [86_400, 3600, "hour"], [2_592_000, 86_400, "day"]];
const words = { second: "s", minute: "min", hour: "h", day: "d" };
let timer;

/** `12 min ago`, `in 3 h`; beyond a month the date says more. The server prints the same words. */
export function relative(then, now) {
  const seconds = Math.round((then - now) / 1000);
  const distance = Math.abs(seconds);
  if (distance < 5) return "just now";
  const step = STEPS.find(([limit]) => distance < limit);
  if (!step) return null;
  const text = `${Math.floor(distance / step[1])} ${words[step[2]]}`;
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}

function refresh(root) {
  for (const element of root.querySelectorAll("time[data-relative]")) {
    const text = relative(Date.parse(element.dateTime), Date.now());
    if (text && element.textContent !== text) element.textContent = text;
  }
}

export function relativeTimes(root) {
  refresh(root);
  timer ??= setInterval(() => document.hidden || refresh(document), 10_000);
}
