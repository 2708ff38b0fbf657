/* Writes moments of wall time in the reader's zone: the browser's, or the one they chose; UTC stays beside it, as a title.
   Market time is the market's own: what is labelled so stays as it is. Without this script every time is UTC and says so. */
"use strict";
(() => {
  const WHOLE = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) UTC$/;
  let zone, writers;

  function ready() {
    const chosen = document.getElementById("time-zone")?.dataset.zone || undefined;
    try { zone = new Intl.DateTimeFormat("en-GB", { timeZone: chosen }).resolvedOptions().timeZone; } catch { zone = "UTC"; }
    const date = { year: "numeric", month: "2-digit", day: "2-digit" }, minute = { hour: "2-digit", minute: "2-digit" };
    const writer = (parts) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...parts });
    writers = {
      date: writer(date),
      time: writer({ ...minute, second: "2-digit" }),
      minute: writer(minute),
      weekday: writer({ weekday: "short" }),
    };
  }

  function words(at, form) {
    if (form === "time" || form === "minute") return writers[form].format(at);
    if (form === "day") return `${writers.weekday.format(at)} ${writers.minute.format(at)}`;
    const parts = Object.fromEntries(writers.date.formatToParts(at).map((one) => [one.type, one.value]));
    return `${parts.year}-${parts.month}-${parts.day} ${writers.time.format(at)}`;
  }

  // Django writes its columns of times as text: they become elements like ours. What is of the market says so in its label.
  function wrap(cell) {
    if (cell.children.length > 1 || /market/i.test(cell.dataset.label || "")) return;
    const inner = cell.firstElementChild || cell;
    const found = inner.children.length ? null : WHOLE.exec(inner.textContent.trim());
    if (!found) return;
    const time = document.createElement("time");
    time.className = "tc-time";
    time.setAttribute("datetime", `${found[1]}T${found[2]}Z`);
    time.dataset.form = "whole";
    time.title = time.textContent = `${found[1]} ${found[2]} UTC`;
    inner.replaceChildren(time);
  }

  function write() {
    if (!zone) ready();
    document.querySelectorAll("#result_list :is(td, th).nowrap, #content .readonly").forEach(wrap);
    for (const time of document.querySelectorAll("time[data-form]:not([data-written])")) {
      const at = new Date(time.getAttribute("datetime"));
      if (Number.isNaN(at.getTime())) continue;
      time.dataset.written = time.getAttribute("datetime");
      if (zone === "UTC") continue; // it says so already
      time.title = `${time.title} (shown: ${zone})`;
      time.textContent = words(at, time.dataset.form);
    }
  }

  document.addEventListener("DOMContentLoaded", write);
  document.addEventListener("htmx:afterSwap", write);
  document.addEventListener("htmx:oobAfterSwap", write);
})();
