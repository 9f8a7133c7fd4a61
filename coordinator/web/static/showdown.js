// SPDX-License-Identifier: Apache-2.0
// When htmx replaces a part of the page, opened details stay open and the focus stays. Signing out deletes drafts.
"use strict";

(() => {
  let open = [];

  document.addEventListener("htmx:beforeSwap", (event) => {
    open = [...event.detail.target.querySelectorAll("details[open][id]")].map((details) => details.id);
  });

  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) {
      document.getElementById(id)?.setAttribute("open", "");
    }
  });

  document.addEventListener("submit", (event) => {
    if (!event.target.matches('form[action$="/sign-out"]')) return;
    try {
      for (const key of Object.keys(localStorage).filter((one) => one.startsWith("showdown-draft:"))) {
        localStorage.removeItem(key);
      }
    } catch {
      // Storage is switched off: there are no drafts.
    }
  });
})();
