// SPDX-License-Identifier: Apache-2.0
// Shared by the charts: the page's colours, the tables' number format, axes, and redrawing when the window changes.
"use strict";

const charts = (() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const three = (value) =>
    value === 0 || value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value >= 0.0995 ? value.toFixed(2) : value.toPrecision(3);

  // The same format as in coordinator/web/words.py.
  const rate = (value) =>
    value == null ? "–" : value >= 999500 ? `${three(value / 1e6)} M` : value >= 999.5 ? `${three(value / 1e3)} k` : three(value);
  const figure = (value) => (value == null ? "–" : three(value));
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
  const clockAxis = () => axis({ space: 74, size: 30, values: (_, splits) => splits.map((seconds) => clock(seconds)) });

  // 1, 2, 5, 10 … within the range; only powers of ten if that is too many.
  const logSplits = (_, __, low, high) => {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
      for (const step of [1, 2, 5]) found.push(step * 10 ** power);
    const within = found.filter((value) => value >= low && value <= high);
    return within.length > 7 ? within.filter((value) => Math.abs(Math.log10(value) % 1) < 1e-9) : within;
  };
  const timeAxis = (more) => axis({ size: 62, splits: logSplits, filter: (_, splits) => splits, values: (_, splits) => splits.map(time), ...more });

  // Fits a chart to its figure, and redraws it when the width or the page's colours change.
  // `build(width)` returns uPlot's options and data.
  const mount = (figure, build) => {
    let plot = null;
    let width = 0;
    const draw = () => {
      width = Math.max(240, figure.clientWidth);
      const [options, data] = build(width);
      plot?.destroy();
      plot = new uPlot({ width, ...options }, data, figure);
    };
    new ResizeObserver(() => {
      const now = Math.max(240, figure.clientWidth);
      if (plot && now !== width) plot.setSize({ width: (width = now), height: plot.height });
    }).observe(figure);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plot && draw());
    return {
      draw,
      update: (data) => (plot ? plot.setData(data) : draw()),
      clear: () => {
        plot?.destroy();
        plot = null;
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

  return { colour, rate, figure, time, clock, spelled, axis, clockAxis, timeAxis, mount, ask };
})();
