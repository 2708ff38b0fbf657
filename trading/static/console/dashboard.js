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
  document.addEventListener("DOMContentLoaded", tell);
  document.addEventListener("htmx:afterSettle", tell);
})();
