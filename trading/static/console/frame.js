/* What the theme's own parts lack for those who listen to a page: icons are no words, a table's heads have a direction. */
"use strict";
(() => {
  function mend(root) {
    for (const icon of root.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) icon.setAttribute("aria-hidden", "true");
    for (const head of root.querySelectorAll("thead th:not([scope])")) head.setAttribute("scope", "col");
    for (const head of root.querySelectorAll("tbody th:not([scope])")) head.setAttribute("scope", "row");
    for (const hint of root.querySelectorAll("span[aria-label]:not([role])")) hint.setAttribute("role", "img");
    for (const part of root.querySelectorAll(".simplebar-content-wrapper")) {
      const name = part.closest("#nav-sidebar") ? "Menu, scrolls" : part.closest("#changelist-filter") ? "Filters, scroll" : part.querySelector("table") ? "Table, scrolls" : "";
      if (name) part.setAttribute("aria-label", name);
    }
  }
  // "/" and Ctrl-K lead to the search for everything, wherever on a page somebody is; Escape leaves it.
  window.addEventListener("keydown", (event) => {
    const finder = document.getElementById("finder");
    if (!finder) return;
    const typing = event.target.closest && event.target.closest("input, textarea, select, [contenteditable]");
    const slash = event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (slash || ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k")) {
      event.preventDefault();
      event.stopImmediatePropagation();
      if (finder.offsetParent) { finder.focus(); finder.select(); }
      else location.assign(finder.form.action);
    } else if (event.key === "Escape" && event.target === finder) {
      document.getElementById("finder-found").textContent = "";
      finder.blur();
    }
  }, true);
  document.addEventListener("click", (event) => {
    const shown = document.getElementById("finder-found");
    if (shown && !event.target.closest(".tc-finder")) shown.textContent = "";
  });
  document.addEventListener("DOMContentLoaded", () => mend(document));
  window.addEventListener("load", () => setTimeout(() => mend(document))); // after what the theme and Django draw then
  document.addEventListener("htmx:afterSettle", () => mend(document));
})();
