// SPDX-License-Identifier: Apache-2.0
// The filter over the datapaths of the form: by words and by function. What is hidden stays chosen.
"use strict";

(() => {
  const { changed } = window.showdownForm;
  const filter = document.querySelector("[data-filter]");
  const boxes = [...document.querySelectorAll("#datapaths .box")];
  if (!filter || !boxes.length) return;
  const [words, chosen] = [filter.querySelector("input"), filter.querySelector("select")];
  const count = filter.querySelector("[data-count]");
  const texts = new Map(boxes.map((box) => [box, box.textContent.toLowerCase()]));

  const narrow = () => {
    const wanted = words.value.toLowerCase().split(/\s+/);
    for (const box of boxes) {
      const ofFunction = !chosen.value || box.dataset.function === chosen.value;
      box.hidden = !(ofFunction && wanted.every((word) => texts.get(box).includes(word)));
    }
    count.textContent = `${boxes.filter((box) => !box.hidden).length} of ${boxes.length} shown`;
  };

  const tick = (checked) => {
    for (const box of boxes) {
      const field = box.querySelector("input[name=datapaths]");
      if (!box.hidden && !field.disabled) field.checked = checked;
    }
    changed();
  };

  filter.addEventListener("input", (event) => {
    event.stopPropagation(); // it is no input of the campaign
    narrow();
  });
  words.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault();
  });
  filter.addEventListener("click", (event) => {
    if (event.target.dataset.tick) tick(event.target.dataset.tick === "on");
  });
  narrow();
})();
