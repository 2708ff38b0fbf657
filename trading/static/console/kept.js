/* Keeps what was typed as a reason over a login in between; never an answer, and for the same person in the same tab alone. */
"use strict";
(() => {
  const NAME = "console-kept", LONGEST = 60 * 60 * 1000;
  const addressOf = (form) => {
    const address = new URL(form.getAttribute("action") || location.href, location.href);
    return address.pathname + address.search;
  };
  const fieldsOf = (form) => [...form.elements].filter((field) => field.name && field.matches("textarea, input[type=text][name=reason]"));
  const read = () => {
    try { return JSON.parse(sessionStorage.getItem(NAME)); } catch { return null; }
  };

  document.addEventListener("submit", (event) => {
    const mark = event.target.querySelector("[data-keeps]");
    if (!mark) return;
    const typed = fieldsOf(event.target).map((field) => [field.name, field.value]).filter(([, value]) => value.trim());
    sessionStorage.removeItem(NAME);
    if (typed.length) sessionStorage.setItem(NAME, JSON.stringify({ user: mark.dataset.keeps, address: addressOf(event.target), typed, at: Date.now(), lost: false }));
  }, true);

  function restore() {
    const kept = read();
    if (!kept) return;
    if (document.querySelector("#login-form, [data-nothing-done]")) {
      kept.lost = true; // the answer did not arrive
      sessionStorage.setItem(NAME, JSON.stringify(kept));
      return;
    }
    if (!kept.lost || Date.now() - kept.at > LONGEST) {
      sessionStorage.removeItem(NAME);
      return;
    }
    for (const mark of document.querySelectorAll("[data-keeps]")) {
      const form = mark.form;
      if (!form || mark.dataset.keeps !== kept.user || addressOf(form) !== kept.address) continue;
      for (const [name, value] of kept.typed) {
        const field = fieldsOf(form).find((each) => each.name === name);
        if (!field || field.value === value) continue;
        field.value = value;
        const note = document.createElement("p");
        note.className = "tc-help";
        note.setAttribute("role", "status");
        note.textContent = "Kept from before you logged in. Nothing was done with it.";
        field.insertAdjacentElement("afterend", note);
      }
      sessionStorage.removeItem(NAME);
      return;
    }
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", restore);
  else restore();
})();
