// The pages can be read without this. It keeps their ages counting, fetches
// them again while nobody works in them, and says so when the agent is gone.
(() => {
  "use strict";
  const every = 10000;
  const ahead = Date.parse(document.documentElement.dataset.now) - Date.now();
  let heard = Date.now();
  let paused = false;

  const span = (s) => {
    if (s < 120) return `${s} s`;
    if (s < 7200) return `${Math.floor(s / 60)} min`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
    return `${Math.floor(s / 86400)} days`;
  };

  const count = () => {
    for (const e of document.querySelectorAll("time.ago")) {
      const s = Math.floor((Date.now() + ahead - Date.parse(e.dateTime)) / 1000);
      const text = s < 1 ? "just now" : `${span(s)} ago`;
      if (e.textContent !== text) e.textContent = text;
    }
  };

  const lost = document.getElementById("lost");
  const say = () => {
    const gone = Date.now() - heard > 2.5 * every && !paused && !document.hidden;
    if (gone === !lost.hidden) return;
    lost.hidden = !gone;
    lost.textContent = gone ? `The agent has not answered since ${new Date(heard).toISOString().slice(11, 19)} UTC. What is shown is from then.` : "";
  };

  const busy = () => {
    const main = document.getElementById("main");
    const selected = document.getSelection();
    return (main.contains(document.activeElement) && document.activeElement !== main) ||
      (selected && !selected.isCollapsed) || main.querySelector("details[open]");
  };

  const refresh = async () => {
    if (document.hidden || paused) return;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(every) });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      heard = Date.now();
      if (busy()) return;
      for (const part of ["main", "footer > p > time"]) {
        document.querySelector(part).replaceWith(document.adoptNode(page.querySelector(part)));
      }
      document.title = page.title;
    } catch {
      // say() tells when this lasts
    }
  };

  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Pause updates";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    paused = !paused;
    heard = Date.now();
    button.setAttribute("aria-pressed", String(paused));
  });
  document.getElementById("updates").append(button);

  document.addEventListener("visibilitychange", () => { heard = Date.now(); refresh(); });
  setInterval(() => { count(); say(); }, 1000);
  setInterval(refresh, every);
})();
