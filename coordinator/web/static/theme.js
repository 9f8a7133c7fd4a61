// SPDX-License-Identifier: Apache-2.0
// The theme: automatic, as the system has it, or light, or dark. This script runs before the body is read: a page that
// waits for it is never drawn in the other colours first.
"use strict";

(() => {
  const KEY = "showdown-theme";
  const DARK = "(prefers-color-scheme: dark)";
  const THEMES = {
    automatic: { schemes: "light dark", media: `screen and ${DARK}` },
    light: { schemes: "light", media: "not all" },
    dark: { schemes: "dark", media: "screen" }, // paper stays light
  };
  // The dark colours are one rule of showdown.css, so that they need no script. The browser waits for the style sheets
  // above a script. A second sheet whose media attribute is changed would be loaded late where it did not match.
  const dark = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).find((rule) => rule.media?.mediaText.includes(DARK));

  const stored = () => {
    try {
      const found = localStorage.getItem(KEY);
      return Object.hasOwn(THEMES, found) ? found : "automatic";
    } catch {
      return "automatic"; // storage is switched off
    }
  };

  const store = (name) => {
    try {
      localStorage.setItem(KEY, name);
    } catch {
      // Storage is switched off: the theme holds for this page.
    }
  };

  const changed = () => document.dispatchEvent(new CustomEvent("theme-changed")); // charts are drawn again

  const apply = (name) => {
    document.querySelector("meta[name=color-scheme]").content = THEMES[name].schemes;
    if (dark) dark.media.mediaText = THEMES[name].media;
    const choice = document.querySelector("[data-theme-choice]");
    if (choice) choice.value = name;
    changed();
  };

  apply(stored());
  matchMedia(DARK).addEventListener("change", changed);
  addEventListener("storage", (event) => event.key === KEY && apply(stored())); // chosen in another tab
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.querySelector("[data-theme-choice]");
    choice.value = stored();
    choice.addEventListener("change", () => {
      store(choice.value);
      apply(choice.value);
    });
    choice.closest("[hidden]").hidden = false;
  });
})();
