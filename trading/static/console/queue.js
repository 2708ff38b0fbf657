/* The approval queue: countdowns, what is selected and what it comes to, the card one is at, keys, and a word when the queue has changed. */
"use strict";
(() => {
  const began = performance.now();
  const rows = [...document.querySelectorAll("[data-seconds-left]")];
  const cards = [...document.querySelectorAll(".tc-request")];
  const phone = matchMedia("(max-width: 700px)");
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

  function tick() {
    const passed = (performance.now() - began) / 1000;
    for (const row of rows) {
      // Rounded up here as on the server: what it still takes must never read as expired.
      const left = Math.max(0, Math.ceil(Number(row.dataset.secondsLeft) - passed));
      const shown = row.querySelector("[data-countdown]");
      if (!shown) continue; // the decision's page has no clock
      shown.textContent = left > 0 ? clock(left) : "expired";
      shown.classList.toggle("tc-loss", left < 60);
      if (left === 0) {
        row.classList.add("tc-expired");
        for (const control of row.querySelectorAll("button[name=answer], input[type=checkbox]")) {
          control.disabled = true;
          control.checked = false;
        }
      }
    }
    count();
  }

  /* What is selected: how many, and what the gate would make of them in turn. */
  const chosen = () => [...document.querySelectorAll("input[name=approval]:checked")].map((box) => box.value);
  let counted = "", asking;
  function count() {
    const shown = document.getElementById("selected-count");
    if (!shown) return;
    const now = chosen();
    shown.textContent = String(now.length);
    for (const button of document.querySelectorAll("[data-several]")) button.disabled = now.length === 0;
    if (now.join() === counted) return;
    counted = now.join();
    clearTimeout(asking);
    asking = setTimeout(() => sum(now), 250);
  }
  async function sum(now) {
    const place = document.getElementById("selected-sum"), form = document.getElementById("several");
    if (!now.length) { place.replaceChildren(); return; }
    const query = new URLSearchParams(now.map((pk) => ["approval", pk]));
    try {
      const answer = await fetch(`${form.dataset.sum}?${query}`, { headers: { "HX-Request": "true" } });
      if (!answer.ok || answer.redirected || now.join() !== counted) return;
      place.innerHTML = await answer.text(); // a piece of ours, escaped by the server
    } catch { place.textContent = ""; }
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "select-all") {
      for (const box of document.querySelectorAll("input[name=approval]:not(:disabled)")) box.checked = event.target.checked;
    }
    count();
  });

  /* The card one is at: by keys on a desk, one at a time on a phone. */
  let at = -1;
  function goTo(index, { quietly = false } = {}) {
    if (!cards.length) return;
    at = Math.min(Math.max(index, 0), cards.length - 1);
    cards.forEach((card, place) => card.classList.toggle("tc-current", place === at));
    const walk = cards[at].querySelector("[data-at]");
    if (walk) walk.textContent = `${at + 1} of ${cards.length}`;
    if (quietly) return;
    cards[at].focus({ preventScroll: true });
    cards[at].scrollIntoView({ block: "start" });
    history.replaceState(null, "", `#${cards[at].id}`);
  }
  const wanted = cards.findIndex((card) => `#${card.id}` === location.hash);
  document.getElementById("cards")?.classList.add("tc-one-by-one");
  if (wanted >= 0) goTo(wanted);
  else if (phone.matches) goTo(0, { quietly: true });
  phone.addEventListener("change", () => goTo(Math.max(at, 0), { quietly: true }));
  document.addEventListener("click", (event) => {
    const step = event.target.closest("[data-walk]");
    if (step) goTo(at + Number(step.dataset.walk));
    if (event.target.closest("[data-keys]")) document.getElementById("keys").showModal();
    const close = event.target.closest("[data-close]");
    if (close) close.closest("dialog").close();
  });

  /* Keys: what changes something asks once more, with the focus where Enter goes on. */
  const ask = (name) => {
    const card = cards[at], dialog = document.getElementById(`ask-${name}`);
    if (!card || !dialog || card.classList.contains("tc-expired")) return;
    dialog.querySelector("[data-what]").textContent = `${name === "approve" ? "Approve" : "Reject"} ${card.dataset.what}?`;
    const says = dialog.querySelector("[data-says]"), problem = dialog.querySelector("[data-problem]");
    if (says) says.textContent = card.dataset.says;
    if (problem) problem.textContent = "";
    dialog.showModal();
    (dialog.querySelector("textarea") || dialog.querySelector("[data-do]")).focus();
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (!button) return;
    const dialog = button.closest("dialog"), form = cards[at].querySelector("form.tc-answer");
    const typed = dialog.querySelector("textarea");
    if (typed && !typed.value.trim()) {
      dialog.querySelector("[data-problem]").textContent = "reason: was empty, expected why the decision is rejected";
      typed.focus();
      return;
    }
    if (typed) {
      form.querySelector("[name=reason]").value = typed.value;
      form.querySelector("[name=hold_hours]").value = dialog.querySelector("[name=hold_hours]").value;
    }
    dialog.close();
    form.requestSubmit(form.querySelector(`[value=${button.dataset.do}]`));
  });
  const KEYS = {
    j: () => goTo(at + 1), k: () => goTo(at - 1), a: () => ask("approve"), r: () => ask("reject"),
    x: () => cards[at]?.querySelector("input[type=checkbox]")?.click(), "?": () => document.getElementById("keys")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const act = cards.length && KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  const state = () => {
    const seen = document.getElementById("queue-state");
    return seen ? `${seen.dataset.newest} ${seen.dataset.count}` : "";
  };
  function entitle() {
    const seen = document.getElementById("queue-state");
    if (!seen) return;
    const title = document.title.replace(/^\(\d+\) /, ""), waits = Number(seen.dataset.count || 0);
    document.title = waits ? `(${waits}) ${title}` : title;
  }
  const first = state();
  document.addEventListener("htmx:afterSwap", () => {
    const note = document.getElementById("queue-changed");
    if (note && state() !== first) note.hidden = false;
    entitle();
  });

  setInterval(tick, 1000);
  tick();
  entitle();
})();
