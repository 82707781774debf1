// Keeps the worklist current. A page that has stopped being current says so: a stale list must not look alive.
"use strict";
(() => {
  const live = document.getElementById("live");
  const pulse = document.getElementById("pulse");
  const text = document.getElementById("pulse-text");
  if (!live) return;
  const every = Number(live.dataset.refresh);
  let shown = null;
  let lastAnswer = new Date();

  const clock = (moment) =>
    [moment.getHours(), moment.getMinutes(), moment.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");

  const at = (sentence, moment) => sentence.replace("{time}", clock(moment));

  function focusedStudy() {
    const row = document.activeElement && document.activeElement.closest("tr[data-uid]");
    return row ? row.dataset.uid : null;
  }

  // The button that has the focus keeps it, when the list changes under it.
  function focusedButton() {
    const button = document.activeElement && document.activeElement.closest("#live form");
    return button ? button.getAttribute("action") : null;
  }

  function replace(html) {
    const uid = focusedStudy();
    const action = focusedButton();
    const side = live.querySelector(".sheet");
    const left = side ? side.scrollLeft : 0;
    live.innerHTML = html; // rendered and escaped by our own server; the policy of the page runs no script in it
    const sheet = live.querySelector(".sheet");
    if (sheet) sheet.scrollLeft = left;
    if (action) {
      const form = [...live.querySelectorAll("form")].find((candidate) => candidate.getAttribute("action") === action);
      if (form) form.querySelector("button").focus({ preventScroll: true });
    } else if (uid) {
      const row = [...live.querySelectorAll("tr[data-uid]")].find((candidate) => candidate.dataset.uid === uid);
      const link = row && row.querySelector("a");
      if (link) link.focus({ preventScroll: true });
    }
  }

  async function refresh() {
    if (document.hidden) return;
    const query = new URLSearchParams(location.search);
    query.set("live", "1");
    try {
      const response = await fetch("/?" + query, { cache: "no-store", signal: AbortSignal.timeout(8000) });
      if (response.status === 401) location.reload(); // signed out meanwhile: the server leads to where one signs in
      if (!response.ok) throw new Error(String(response.status));
      const html = await response.text();
      if (html !== shown) replace(html);
      shown = html;
      lastAnswer = new Date();
      pulse.classList.remove("stale");
      text.textContent = at(pulse.dataset.live, lastAnswer);
    } catch {
      pulse.classList.add("stale");
      text.textContent = at(pulse.dataset.stale, lastAnswer);
    }
  }

  // The server tells when the list has changed, and that it has not. Without a word for a while, the page asks itself.
  const patience = 4 * every;
  let toldAt = 0;
  const events = new EventSource("/events");
  events.addEventListener("changed", () => {
    toldAt = Date.now();
    refresh();
  });
  events.addEventListener("beat", () => {
    toldAt = Date.now();
    if (pulse.classList.contains("stale")) return;
    lastAnswer = new Date();
    text.textContent = at(pulse.dataset.live, lastAnswer);
  });

  let askedAt = Date.now();
  async function keep() {
    // Times of waiting grow also where nothing changes.
    const isDue = Date.now() - askedAt > 10 * every;
    if (isDue || Date.now() - toldAt > patience || pulse.classList.contains("stale")) {
      askedAt = Date.now();
      await refresh();
    }
    setTimeout(keep, every);
  }
  document.addEventListener("visibilitychange", refresh);
  setTimeout(keep, every);
})();
