// SPDX-License-Identifier: Apache-2.0
// When htmx replaces a part of the page, opened details stay open and the focus stays. Signing out deletes drafts.
// On paper nothing is folded.
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

  // The page says so when the coordinator no longer answers: else old figures look like present ones.
  let lostAt = null;

  const showConnection = () => {
    for (const banner of document.querySelectorAll("[data-lost-connection]")) {
      banner.hidden = lostAt === null;
      if (lostAt) banner.querySelector("[data-since]").textContent = `${lostAt.toISOString().slice(11, 19)} UTC`;
    }
  };

  for (const failure of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(failure, () => {
      lostAt ??= new Date();
      showConnection();
    });
  }
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.xhr?.status) return;
    lostAt = event.detail.xhr.status >= 502 ? (lostAt ?? new Date()) : null;
    showConnection();
  });

  let unfolded = [];

  window.addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("#results details:not([open])")];
    for (const details of unfolded) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of unfolded) details.open = false;
    unfolded = [];
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
