// SPDX-License-Identifier: Apache-2.0
// A click on a frame of a flame graph gives it the whole width; its callers stay below, its callees widen with it.
"use strict";

for (const graph of document.querySelectorAll("[data-flame-graph] svg")) {
  const width = graph.viewBox.baseVal.width;
  const frames = [...graph.querySelectorAll("g[data-x]")].map((g) => ({
    g, x: +g.dataset.x, w: +g.dataset.w, row: +g.dataset.row,
    rect: g.querySelector("rect"), text: g.querySelector("text"),
    name: g.querySelector("title").textContent.replace(/: [0-9.]+% of .*$/s, "").replace(/_\[k\]$/, ""),
  }));

  function show(chosen) {
    const scale = width / chosen.w;
    for (const frame of frames) {
      const caller = frame.row < chosen.row && frame.x <= chosen.x + 0.1 && frame.x + frame.w >= chosen.x + chosen.w - 0.1;
      const within = frame.row >= chosen.row && frame.x >= chosen.x - 0.1 && frame.x + frame.w <= chosen.x + chosen.w + 0.1;
      frame.g.style.display = caller || within ? "" : "none";
      if (!caller && !within) continue;
      const x = caller ? 0 : (frame.x - chosen.x) * scale;
      const w = caller ? width : frame.w * scale;
      frame.g.style.opacity = caller ? 0.5 : 1;
      frame.rect.setAttribute("x", x);
      frame.rect.setAttribute("width", Math.max(w - 0.3, 0.2));
      label(frame, x, w);
    }
  }

  function label(frame, x, w) {
    const room = Math.floor((w - 4) / 6.6);
    const words = frame.name.length <= room ? frame.name : room >= 4 ? frame.name.slice(0, room - 1) + "…" : "";
    if (!frame.text) {
      if (!words) return;
      frame.text = document.createElementNS("http://www.w3.org/2000/svg", "text");
      frame.text.setAttribute("y", +frame.rect.getAttribute("y") + 12);
      frame.text.setAttribute("fill", "#111");
      frame.g.append(frame.text);
    }
    frame.text.setAttribute("x", x + 2);
    frame.text.textContent = words;
  }

  for (const frame of frames) {
    frame.g.style.cursor = "pointer";
    frame.g.addEventListener("click", () => show(frame));
  }
}
