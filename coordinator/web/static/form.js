// SPDX-License-Identifier: Apache-2.0
// The campaign form: rows of levels, what the folded parts contain, the estimate, and links to problems.
"use strict";

(() => {
  const form = document.getElementById("campaign-form");
  const estimate = document.getElementById("estimate");
  const ESTIMATE_MS = 600;
  document.documentElement.classList.add("scripted");

  const ticked = (name) => [...form.querySelectorAll(`input[name="${name}"]:checked`)].map((box) => box.value);

  const load = (row) => {
    const [name, kind, value, condition] = ["name", "kind", "load", "condition"].map(
      (part) => row.querySelector(`[name="level_${part}"]`),
    );
    const typed = value.value.trim();
    const written = typed && !typed.includes("(") ? kind.selectedOptions[0].dataset.form.replace("{}", typed) : typed;
    const under = written && condition.value.trim() ? ` under ${condition.value.trim()}` : "";
    return `${name.value.trim()} ${written}${under}`.trim();
  };

  const SUMMARIES = {
    datapaths: () => ticked("datapaths").join(", ") || "none chosen",
    traffic: () => ticked("workloads").join(", ") || "none chosen",
    levels: () => [...form.querySelectorAll("[data-level]")].map(load).filter(Boolean).join(" · ") || "none",
    hosts: () => ticked("hosts").join(", ") || "every online host that can run it",
    probes: () => (ticked("probes").join(", ") || "none") + (ticked("flame_graphs").length ? ", flame graphs" : ""),
  };

  const summarise = () => {
    for (const place of form.querySelectorAll("[data-summary]")) {
      const text = SUMMARIES[place.dataset.summary]?.();
      if (text !== undefined) place.textContent = text;
    }
  };

  const addLevel = () => {
    const rows = form.querySelectorAll("[data-level]");
    const number = rows.length + 1;
    const row = rows[rows.length - 1].cloneNode(true);
    row.querySelector(".error")?.remove();
    for (const field of row.querySelectorAll("input, select")) {
      field.value = field.name === "level_kind" ? "closed" : "";
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
      field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+/, number));
      if (field.id) field.id = `level-${number}-load`;
    }
    rows[rows.length - 1].after(row);
    const button = form.querySelector("[name=add_level]");
    if (button) button.hidden = number >= Number(button.dataset.most);
    return row;
  };

  let timer = 0;
  const changed = () => {
    summarise();
    clearTimeout(timer);
    timer = setTimeout(() => estimate?.dispatchEvent(new CustomEvent("estimate")), ESTIMATE_MS);
  };

  const open = (id) => {
    const target = document.getElementById(id);
    for (let part = target?.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    return target;
  };

  const goTo = (link) => {
    const target = open(link.hash.slice(1));
    if (target instanceof HTMLTextAreaElement && link.dataset.line) {
      const lines = target.value.split("\n");
      const begin = lines.slice(0, link.dataset.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
      target.focus();
      target.setSelectionRange(begin, begin + lines[link.dataset.line - 1].length);
      target.scrollTop = (target.scrollHeight * (link.dataset.line - 3)) / lines.length;
      return;
    }
    target?.focus();
    target?.scrollIntoView({ block: "center" });
  };

  // Without a session or with a stale token, the answer is a fragment, too: the page stays, and what is typed.
  estimate?.addEventListener("htmx:beforeSwap", (event) => {
    event.detail.shouldSwap ||= [401, 403].includes(event.detail.xhr.status);
  });
  form.addEventListener("input", changed);
  form.addEventListener("change", (event) => {
    if (event.target.name === "level_kind") {
      const value = event.target.closest("[data-level]").querySelector("[name=level_load]");
      value.placeholder = event.target.selectedOptions[0].dataset.example;
    }
  });
  form.addEventListener("click", (event) => {
    if (event.target.name !== "add_level") return;
    event.preventDefault();
    addLevel().querySelector("input").focus();
  });
  document.getElementById("problems")?.addEventListener("click", (event) => {
    if (!event.target.hash) return;
    event.preventDefault();
    goTo(event.target);
  });
  // A pointer chooses a preset at once; arrow keys only move among them.
  for (const card of document.querySelectorAll(".preset")) {
    card.addEventListener("pointerup", (event) => {
      if (event.button !== 0) return;
      card.querySelector("input").checked = true;
      card.closest("form").requestSubmit();
    });
  }
  document.getElementById("problems")?.focus();

  window.showdownForm = { form, addLevel, changed };
})();
