// SPDX-License-Identifier: Apache-2.0
// Drafts of the campaign form. The server keeps what is sent; this is for Back, a reload and a closed browser.
"use strict";

(() => {
  const { form, addLevel, changed } = window.showdownForm;
  const KEY = `showdown-draft:${form.elements.toml ? "toml" : "form"}:`;
  const KEPT_MS = 7 * 24 * 3600 * 1000;
  const SAVE_MS = 300;

  const attempt = (action) => {
    try {
      return action();
    } catch {
      return null; // storage is switched off or full: then there are no drafts
    }
  };

  const tab = attempt(() => {
    sessionStorage.showdownTab ??= Math.random().toString(36).slice(2);
    return sessionStorage.showdownTab;
  });
  if (!tab) return;

  const read = (key) => attempt(() => JSON.parse(localStorage.getItem(key)));
  const write = (draft) => attempt(() => localStorage.setItem(KEY + tab, JSON.stringify(draft)));
  const fields = () => [...new FormData(form)].filter(([name, value]) => name !== "csrf_token" && typeof value === "string");
  const place = location.pathname + location.search;
  const save = (sent) => write({ at: Date.now(), place, sent, fields: fields() });
  const others = () => Object.keys(localStorage).filter((key) => key.startsWith(KEY));

  const restore = (draft) => {
    const values = Map.groupBy ? Map.groupBy(draft.fields, ([name]) => name) : grouped(draft.fields);
    const rows = values.get("level_name")?.length ?? 0;
    while (form.querySelectorAll("[data-level]").length < rows) addLevel();
    for (const control of form.elements) {
      if (!control.name || control.name === "csrf_token" || control instanceof HTMLButtonElement) continue;
      const given = values.get(control.name) ?? [];
      if (control.type === "checkbox") {
        control.checked = given.some(([, value]) => value === control.value);
      } else if (control.tagName !== "FIELDSET") {
        const next = given.shift()?.[1] ?? "";
        if (control.tagName !== "SELECT" || [...control.options].some((option) => option.value === next)) control.value = next;
      }
    }
    changed();
  };

  const grouped = (pairs) => {
    const found = new Map();
    for (const pair of pairs) found.set(pair[0], [...(found.get(pair[0]) ?? []), pair]);
    return found;
  };

  const offer = (text, choices) => {
    const bar = document.createElement("p");
    bar.className = "alert mild";
    bar.id = "draft";
    bar.setAttribute("role", "status");
    bar.append(text);
    for (const [label, action] of choices) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", () => {
        action();
        bar.remove();
      });
      bar.append(" ", button);
    }
    form.before(bar);
  };

  const when = (draft) => new Date(draft.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const startOver = () => {
    localStorage.removeItem(KEY + tab);
    location.reload();
  };

  for (const key of others()) {
    const draft = read(key);
    if (!draft?.fields || Date.now() - draft.at > KEPT_MS) localStorage.removeItem(key);
  }
  const own = read(KEY + tab);
  const arrival = performance.getEntriesByType("navigation")[0]?.type;
  if (form.dataset.draft === "kept") {
    save(false);
  } else if (own && arrival !== "navigate" && own.place === place) {
    restore(own);
    offer(`Your input of ${when(own)} is back.`, [["Start over", startOver]]);
  } else {
    if (own?.sent && arrival === "navigate") localStorage.removeItem(KEY + tab);
    const open = (key) => key === KEY + tab || !read(key)?.sent;
    const key = others().filter(open).sort((a, b) => read(b).at - read(a).at)[0];
    if (key) {
      const draft = read(key);
      offer(`A draft of ${when(draft)} was not submitted.`, [
        ["Restore it", () => restore(draft)],
        ["Delete it", () => localStorage.removeItem(key)],
      ]);
    }
  }

  let timer = 0;
  const saveNow = () => {
    timer = 0;
    save(false);
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(saveNow, SAVE_MS);
  });
  addEventListener("pagehide", () => timer && saveNow());
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    timer = 0;
    save(!["add_level", "plan"].includes(event.submitter?.name));
  });
})();
