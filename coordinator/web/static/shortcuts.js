// SPDX-License-Identifier: Apache-2.0
// Keyboard shortcuts. The dialog in templates/web/_shortcuts.html has a row for each: its keys, and a link that it
// follows or the element of the page that it focuses or presses. They can be switched off: single letters disturb
// speech input (WCAG 2.1.4).
"use strict";

(() => {
  const dialog = document.querySelector("[data-shortcuts]");
  if (!dialog) return;
  const KEY = "showdown-shortcuts";
  const SECOND_KEY_MS = 1500;
  const FIELDS = "input, select, textarea, [contenteditable]";
  const rows = new Map([...dialog.querySelectorAll("[data-keys]")].map((row) => [row.dataset.keys, row]));
  const starts = new Set([...rows.keys()].filter((keys) => keys.includes(" ")).map((keys) => keys.split(" ")[0]));
  const box = dialog.querySelector("[data-shortcuts-on]");
  box.checked = true;

  const isOn = () => {
    try {
      return localStorage.getItem(KEY) !== "off";
    } catch {
      return box.checked; // storage is switched off
    }
  };

  // What a row acts on here: the first visible element that it finds, or its link; undefined without either.
  const actsOn = (row) => {
    const found = row.dataset.finds ? [...document.querySelectorAll(row.dataset.finds)] : [];
    return found.find((one) => one === dialog || (one.checkVisibility?.() ?? true)) ?? row.querySelector("a") ?? undefined;
  };

  const open = () => {
    for (const row of rows.values()) row.hidden = !actsOn(row);
    box.checked = isOn();
    dialog.showModal();
  };

  const act = (target) => {
    if (target === dialog) open();
    else if (target.matches("input")) {
      target.focus();
      target.select();
    } else target.click();
  };

  let first = "";
  let timer = 0;
  const wait = (key) => {
    clearTimeout(timer);
    first = key;
    timer = setTimeout(() => (first = ""), SECOND_KEY_MS);
  };

  document.addEventListener("keydown", (event) => {
    const modified = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat;
    if (modified || event.key === "Shift" || event.defaultPrevented || dialog.open || !isOn()) return;
    if (event.target.closest?.(FIELDS)) return;
    const target = [first && `${first} ${event.key}`, event.key].map((keys) => rows.has(keys) && actsOn(rows.get(keys))).find(Boolean);
    wait(!target && starts.has(event.key) ? event.key : "");
    if (!target) return;
    event.preventDefault(); // else the key is typed into the field that it focuses
    act(target);
  });

  box.addEventListener("change", () => {
    try {
      localStorage.setItem(KEY, box.checked ? "on" : "off");
    } catch {
      // Storage is switched off: the choice holds for this page.
    }
  });
  for (const button of document.querySelectorAll("[data-shortcuts-open]")) {
    button.hidden = false;
    button.addEventListener("click", open);
  }
  if (location.hash === "#q") document.getElementById("q")?.focus();
})();
