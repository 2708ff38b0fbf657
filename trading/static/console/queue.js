/* The approval queue: countdowns, the count of what is selected, and a word when the queue has changed. */
"use strict";
(() => {
  const began = performance.now();
  const rows = [...document.querySelectorAll("[data-seconds-left]")];
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  function tick() {
    const passed = (performance.now() - began) / 1000;
    for (const row of rows) {
      // Rounded up here as on the server: what it still takes must never read as expired.
      const left = Math.max(0, Math.ceil(Number(row.dataset.secondsLeft) - passed));
      const shown = row.querySelector("[data-countdown]");
      shown.textContent = left > 0 ? clock(left) : "expired";
      shown.classList.toggle("tc-loss", left < 60);
      if (left === 0) {
        row.classList.add("tc-expired");
        for (const control of row.querySelectorAll("button, input[type=checkbox]")) {
          control.disabled = true;
          control.checked = false;
        }
      }
    }
    count();
  }

  function count() {
    const shown = document.getElementById("selected-count");
    if (!shown) return;
    const selected = document.querySelectorAll("input[name=approval]:checked").length;
    shown.textContent = String(selected);
    for (const button of document.querySelectorAll("[data-several]")) button.disabled = selected === 0;
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "select-all") {
      for (const box of document.querySelectorAll("input[name=approval]:not(:disabled)")) box.checked = event.target.checked;
    }
    count();
  });

  const state = () => {
    const seen = document.getElementById("queue-state");
    return seen ? `${seen.dataset.newest} ${seen.dataset.count}` : "";
  };
  const first = state();
  document.addEventListener("htmx:afterSwap", () => {
    const note = document.getElementById("queue-changed");
    if (note && state() !== first) note.hidden = false;
  });

  setInterval(tick, 1000);
  tick();
})();
