// SPDX-License-Identifier: Apache-2.0
// When htmx replaces a part of the page, opened details stay open and the focus stays.
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
})();
