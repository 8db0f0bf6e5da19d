// The keyboard, what is said, and looking again when the ledger changes; everything else is plain HTML and htmx.
"use strict";
(() => {
  document.documentElement.classList.add("script");
  const one = (selector, root = document) => root.querySelector(selector);
  const rows = () => [...document.querySelectorAll("[data-row]")];
  const say = one("#say");
  const dialog = one("#dialog");
  let current = "";
  let index = -1;
  let silence = 0;

  // ---- what is said -------------------------------------------------------------------------
  function tell(text, bad = false) {
    clearTimeout(silence);
    say.textContent = text;
    say.classList.toggle("bad", bad);
    silence = setTimeout(() => { say.textContent = ""; }, bad ? 12000 : 5000);
  }
  document.addEventListener("said", (event) => tell(event.detail.text, event.detail.bad));
  document.addEventListener("htmx:sendError", () => tell("No answer: is docgen still running?", true));
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    if (!xhr.getResponseHeader("HX-Trigger")) tell(xhr.responseText.startsWith("<") ? "The link is no longer valid: open the one that docgen printed last." : xhr.responseText, true);
  });

  // ---- looking again ------------------------------------------------------------------------
  const busy = () => dialog.open || one("#live details.act[open]") !== null || one("#live .htmx-request") !== null;
  let late = false;
  function look() {
    const live = one("#live");
    late = false;
    if (!live || one("#preview")) return;
    htmx.ajax("GET", live.dataset.live, { target: "#live", swap: "outerHTML" });
  }
  document.addEventListener("ledger-changed", () => { if (busy()) late = true; else look(); });
  document.addEventListener("looked-again", () => { if (dialog.open) dialog.close(); look(); pulse(); });
  const pulse = () => { const numbers = one("#pulse"); if (numbers) htmx.trigger(numbers, "look"); };
  // what changed while an editor was open is shown once it is closed
  document.addEventListener("toggle", (event) => { if (late && !event.target.open && !busy()) look(); }, true);

  // ---- the row that keys mean ---------------------------------------------------------------
  function mark(row, focus) {
    for (const other of document.querySelectorAll(".current")) other.classList.remove("current");
    if (!row) return;
    current = row.id;
    index = rows().indexOf(row);
    row.classList.add("current");
    if (!focus) return;
    const link = row.matches("tr") ? one("a", row) : row;
    link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
  function move(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.id === current);
    const from = at >= 0 ? at : step > 0 ? Math.min(index, all.length) - (index >= 0 ? 1 : 0) : index + 1;
    mark(all[Math.max(0, Math.min(all.length - 1, from + step))], true);
  }
  const here = () => { const row = document.getElementById(current); return row && row.matches("[data-row]") ? row : null; };
  document.addEventListener("htmx:afterSettle", () => {
    const row = here();
    if (row && !row.classList.contains("current")) mark(row, document.activeElement === document.body && !dialog.open);
  });
  document.addEventListener("click", (event) => { const row = event.target.closest("[data-row]"); if (row) mark(row, false); });

  // ---- acts of a row ------------------------------------------------------------------------
  function open(letter) {
    const act = one(`details[data-act=${letter}]`, here() || document.createElement("p"));
    if (!act) return false;
    for (const other of act.parentElement.querySelectorAll("details[open]")) if (other !== act) other.open = false;
    act.open = letter === "i" ? !act.open : true;
    const field = one("textarea, input[type=text]", act);
    if (field && act.open) { field.focus(); field.setSelectionRange(field.value.length, field.value.length); }
    return true;
  }
  function leave(from) {
    const act = from.closest("details[open]");
    if (!act) return false;
    const form = one("form", act);
    if (form) form.reset();
    act.open = false;
    const row = act.closest("[data-row]");
    if (row) mark(row, true);
    return true;
  }
  document.addEventListener("toggle", (event) => {
    const act = event.target;
    if (!act.matches?.("details.act") || !act.open) return;
    mark(act.closest("[data-row]"), false);
    const field = one("textarea, input[type=text]", act);
    if (field && !act.contains(document.activeElement?.closest("form"))) field.focus();
  }, true);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-leave]")) leave(event.target);
    if (event.target.closest("[data-close]")) dialog.close();
    if (event.target.closest("[data-help]")) help();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === dialog && !dialog.open) dialog.showModal();
    const field = event.detail.target.matches?.(".candidate") && one("textarea", event.detail.target);
    if (field) field.focus();
  });
  // after a decision by key the next row is meant
  let goOn = false;
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!goOn || event.detail.pathInfo.requestPath !== "/decide") return;
    goOn = false;
    if (event.detail.successful) setTimeout(() => { const row = here(); if (!row || !one(".note", row)) move(1); }, 30);
  });
  document.addEventListener("submit", (event) => { if (event.target.closest("details[data-act=n], details[data-act=e], details[data-act=g]")) goOn = true; });

  function help() {
    dialog.replaceChildren(one("#help").content.cloneNode(true));
    dialog.showModal();
  }

  // ---- keys ---------------------------------------------------------------------------------
  const follow = (selector) => { const link = one(selector); if (link) link.click(); };
  const keys = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
    y: () => { const button = one("[data-key=y]", here() || document.createElement("p")); if (button) { goOn = true; button.click(); } else tell("nothing to accept here"); },
    e: () => open("e"), n: () => open("n"), g: () => open("g"), i: () => open("i"),
    u: () => one("#undo button").click(),
    A: () => follow("[data-bulk]"), "[": () => follow("a[rel=prev]"), "]": () => follow("a[rel=next]"),
    "/": () => { const field = one("[data-search]"); if (field) { field.focus(); field.select(); } else location.href = "/list"; },
    "?": help,
  };
  document.addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea, select");
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field?.form?.matches("[data-keep]")) {
      event.preventDefault();
      field.form.requestSubmit();
      return;
    }
    if (event.key === "Escape" && leave(event.target)) { event.preventDefault(); return; }
    if (event.key === "Escape" && field) { field.blur(); return; }
    if (field || dialog.open || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const arrow = event.key.startsWith("Arrow");
    if (arrow && event.target.closest("pre, .frame:focus, summary")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  if (location.hash) { const row = document.getElementById(location.hash.slice(1)); if (row) mark(row, true); }
})();
