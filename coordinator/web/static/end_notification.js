// SPDX-License-Identifier: Apache-2.0
// A notification of this browser when the campaign ends, while one of its pages is open. It is asked for once per
// campaign and tab. Browsers have notifications only over TLS and on the machine itself.
"use strict";

(() => {
  const panel = document.querySelector("[data-end-notification]");
  if (!panel || !isSecureContext || !("Notification" in window)) return;
  const [button, words] = [panel.querySelector("button"), panel.querySelector("[role=status]")];
  const KEY = `showdown-notify:${panel.dataset.endNotification}`; // of this tab: it also holds on the campaign's other pages
  let isWanted = false;

  const want = (wanted, text) => {
    isWanted = wanted;
    button.setAttribute("aria-pressed", String(wanted));
    words.textContent = text;
    try {
      sessionStorage.setItem(KEY, wanted ? "yes" : "");
    } catch {
      // Storage is switched off: it holds for this page.
    }
  };
  const wish = () => want(true, "You get a notification while a page of this campaign is open.");

  const isStored = () => {
    try {
      return sessionStorage.getItem(KEY) === "yes";
    } catch {
      return false;
    }
  };

  const notify = (text) => {
    try {
      const shown = new Notification(`${panel.dataset.name} has ended`, { body: text, tag: KEY, icon: panel.dataset.icon });
      shown.addEventListener("click", () => {
        window.focus();
        shown.close();
      });
    } catch {
      // Browsers of phones have notifications of service workers only: the title says it.
    }
  };

  button.addEventListener("click", async () => {
    if (isWanted) want(false, "");
    else if ((await Notification.requestPermission()) === "granted") wish();
    else want(false, "The browser denies notifications: allow them in its settings for this site.");
  });

  const look = () => {
    const ended = document.getElementById("progress")?.dataset.ended;
    if (!ended) return;
    document.removeEventListener("htmx:afterSwap", look);
    panel.hidden = true;
    if (isWanted) notify(ended);
    want(false, "");
  };
  document.addEventListener("htmx:afterSwap", look);
  if (isStored() && Notification.permission === "granted") wish();
  panel.hidden = false;
})();
