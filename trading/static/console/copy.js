/* Copies the long text that a button stands above, and says so on the button. */
"use strict";
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.parentElement.querySelector("pre");
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  } catch {  // no clipboard without https: it is marked, Ctrl-C takes it
    getSelection().selectAllChildren(text);
    button.textContent = "Marked: Ctrl-C copies it";
  }
});
