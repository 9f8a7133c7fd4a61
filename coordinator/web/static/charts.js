// SPDX-License-Identifier: Apache-2.0
// Shared by the charts: the page's colours, the tables' number format, axes, and redrawing when the window changes.
"use strict";

const charts = (() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const three = (value) =>
    value < 0 ? `−${three(-value)}` : value === 0 || value >= 99.95 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : value >= 9.995 ? value.toFixed(1) : value >= 0.0995 ? value.toFixed(2) : value.toPrecision(3);

  // The same format as in coordinator/web/words.py.
  const rate = (value) =>
    value == null ? "–" : value >= 999500 ? `${three(value / 1e6)} M` : value >= 999.5 ? `${three(value / 1e3)} k` : three(value);
  const figure = (value) => (value == null ? "–" : three(value));
  const count = (value) => value.toLocaleString("en");
  const short = (value, unit) => `${+value.toPrecision(3)} ${unit}`;
  const time = (us) => (us >= 1e6 ? short(us / 1e6, "s") : us >= 1e3 ? short(us / 1e3, "ms") : us >= 1 ? short(us, "µs") : short(us * 1e3, "ns"));

  const clock = (seconds, length = 8) => new Date(seconds * 1000).toISOString().slice(11, 11 + length);
  const spelled = (name) => name.replaceAll("_", " ");

  const axis = (more) => ({
    stroke: colour("--soft"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1, size: 5 },
    ...more,
  });
  // Seconds between ticks. The steps are close to one another: a wide one leaves a single tick in a narrow window.
  const SIXTIETHS = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30];
  const DAY_S = 86400;
  const CLOCK_STEPS = [
    ...SIXTIETHS, ...SIXTIETHS.map((minutes) => 60 * minutes), ...[1, 2, 3, 4, 6, 8, 12].map((hours) => 3600 * hours),
    ...[1, 2, 4, 7, 14, 28].map((days) => DAY_S * days),
  ];
  const clockAxis = () => axis({ space: 74, size: 30, incrs: CLOCK_STEPS, values: (_, splits) => splits.map((seconds) => clock(seconds)) });

  const MOST_TICKS = 7;
  const LEAST_TICKS = 3;

  // 1, 2, 5, 10 … within the range; only powers of ten if that is too many, and equal steps if it is too few.
  const logSplits = (_, __, low, high) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const step of [1, 2, 5]) found.push(step * 10 ** power);
    const within = found.filter((value) => value >= low && value <= high);
    if (within.length > MOST_TICKS) return within.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9);
    return within.length >= LEAST_TICKS || high <= low ? within : equalSplits(low, high);
  };

  const equalSplits = (low, high) => {
    const rough = (high - low) / (LEAST_TICKS + 1);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [5, 2, 1].find((one) => one * power <= rough);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
  };
  const timeAxis = (more) => axis({ size: 62, splits: logSplits, filter: (_, splits) => splits, values: (_, splits) => splits.map(time), ...more });

  const WHOLE = 1000;
  const LEAST = 20;

  // The two sliders of a panel's zoom: the ends of the part that its charts show, in thousandths. `changed()` follows
  // each change; `words(share)` names a moment.
  const sliderPair = (box, words, changed) => {
    const sliders = [...box.querySelectorAll("input")];
    const [text, all] = [box.querySelector("[data-zoom-words]"), box.querySelector("button")];
    const ends = () => sliders.map((slider) => +slider.value);
    const describe = () => {
      const named = ends().map((end) => words(end / WHOLE));
      sliders.forEach((slider, index) => slider.setAttribute("aria-valuetext", named[index]));
      all.disabled = ends()[0] === 0 && ends()[1] === WHOLE;
      text.textContent = all.disabled ? "Drag over a chart, or move the sliders." : `${named[0]} to ${named[1]}`;
    };
    const set = (from, until) => {
      sliders[0].value = Math.min(from, WHOLE - LEAST);
      sliders[1].value = Math.max(until, ends()[0] + LEAST);
      describe();
      changed();
    };
    sliders[0].addEventListener("input", () => set(Math.min(ends()[0], ends()[1] - LEAST), ends()[1]));
    sliders[1].addEventListener("input", () => set(ends()[0], ends()[1]));
    all.addEventListener("click", () => set(0, WHOLE));
    return { ends, describe, set };
  };

  // The part of the time axis that the charts of a panel show: by two sliders, or by dragging over a chart. A double
  // click shows all again. A chart's range is `part(whole)`.
  const zoom = (panel, words) => {
    const box = panel.querySelector("[data-zoom]");
    const plots = new Map();
    const { ends, describe, set } = sliderPair(box, words, () => plots.forEach((plot) => plot.setData(plot.data)));
    const select = (plot) => {
      const { left, width } = plot.select;
      if (!width) return;
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      const [from, until] = ends();
      const at = (x) => from + ((until - from) * x) / plot.over.clientWidth;
      if (width > 5 && !box.hidden) set(at(left), at(left + width));
    };
    return {
      part: ([low, high]) => ends().map((end) => low + ((high - low) * end) / WHOLE),
      describe,
      hide: (hidden) => (box.hidden = hidden),
      options: (options) => ({
        ...options,
        cursor: { ...options.cursor, drag: { x: true, y: false, setScale: false } },
        hooks: { ...options.hooks, setSelect: [select] },
      }),
      mounted: (figure, plot) => {
        if (!plots.has(figure)) figure.addEventListener("dblclick", () => set(0, WHOLE));
        plots.set(figure, plot);
      },
      cleared: (figure) => plots.delete(figure),
    };
  };

  // Fits a chart to its figure, and redraws it when the width or the page's colours change.
  // `build(width)` returns uPlot's options and data.
  const mount = (figure, build, zoomed = null) => {
    let plot = null;
    let width = 0;
    const draw = () => {
      width = Math.max(240, figure.clientWidth);
      const [options, data] = build(width);
      plot?.destroy();
      plot = new uPlot({ width, ...(zoomed ? zoomed.options(options) : options) }, data, figure);
      zoomed?.mounted(figure, plot);
    };
    new ResizeObserver(() => {
      const now = Math.max(240, figure.clientWidth);
      if (plot && now !== width) plot.setSize({ width: (width = now), height: plot.height });
    }).observe(figure);
    document.addEventListener("theme-changed", () => plot && draw());
    return {
      draw,
      update: (data) => (plot ? plot.setData(data) : draw()),
      clear: () => {
        plot?.destroy();
        plot = null;
        zoomed?.cleared(figure);
      },
    };
  };

  // The answer, or an error whose message says why it is missing.
  const ask = async (url) => {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    const answer = await response.json().catch(() => ({ message: `the server answered ${response.status}` }));
    if (!response.ok) throw new Error(answer.message);
    return answer;
  };

  return { colour, rate, figure, count, time, clock, spelled, axis, clockAxis, timeAxis, zoom, mount, ask };
})();
