// SPDX-License-Identifier: Apache-2.0
// A campaign's file is opened by its dialog, or by dropping it on the page; on the form that opens the page for TOML.
"use strict";

(() => {
  const { form } = window.showdownForm;
  const KEY = "showdown-dropped";
  const MOST_BYTES = 1024 * 1024;
  const text = form.elements.toml;

  const attempt = (action) => {
    try {
      return action();
    } catch {
      return null; // storage is switched off
    }
  };

  const show = (content) => {
    text.value = content;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const open = async (file) => {
    if (!file || file.size > MOST_BYTES) return;
    const content = await file.text();
    if (text) {
      show(content);
      return;
    }
    attempt(() => {
      sessionStorage.setItem(KEY, content);
      location.assign(form.dataset.toml);
    });
  };

  const holdsFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

  document.getElementById("toml-file")?.addEventListener("change", (event) => open(event.target.files[0]));
  document.addEventListener("dragover", (event) => {
    if (holdsFile(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });

  const dropped = text ? attempt(() => sessionStorage.getItem(KEY)) : null;
  if (dropped) {
    sessionStorage.removeItem(KEY);
    show(dropped);
  }
})();
