/* The page of the API in the console's theme: what was chosen there, or what the system prefers. */
"use strict";
(() => {
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    let chosen = "auto";
    try { chosen = JSON.parse(localStorage.getItem("_x_adminTheme")) || "auto"; } catch { /* nothing was chosen */ }
    document.documentElement.classList.toggle("dark", chosen === "dark" || (chosen === "auto" && system.matches));
  };
  paint();
  system.addEventListener("change", paint);
})();
