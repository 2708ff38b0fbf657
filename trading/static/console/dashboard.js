/* The dashboard says what is new: how many wait stands in the tab's title, and a screen reader is told of it once. */
"use strict";
(() => {
  let waited;
  function tell() {
    const dashboard = document.getElementById("dashboard");
    if (!dashboard) return;
    const waits = Number(dashboard.dataset.waiting || 0);
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = waits ? `(${waits}) ${title}` : title;
    if (waited !== undefined && waits > waited) document.getElementById("dashboard-said").textContent = `${waits - waited} more decisions wait for an answer`;
    waited = waits;
  }
  // What a person opened stays open, whatever the page had before.
  if (window.Idiomorph) Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => !(name === "open" && element.matches("details"));
  // A time that is written in the reader's zone already stays, unless it is another.
  if (window.Idiomorph) Idiomorph.defaults.callbacks.beforeNodeMorphed = (old, fresh) => !(old.tagName === "TIME" && old.dataset.written && old.dataset.written === fresh.getAttribute?.("datetime"));
  document.addEventListener("DOMContentLoaded", tell);
  document.addEventListener("htmx:afterSettle", tell);
})();
