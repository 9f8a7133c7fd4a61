// SPDX-License-Identifier: Apache-2.0
// A chart of each series that a trial's workload or datapath declares, drawn from the table of its values.
"use strict";

(() => {
  const seconds = (at) => `${at.toFixed(1)} s`;

  // Times and values; between two slices the line is broken.
  const broken = (cells) => {
    const points = [...cells].map((cell) => [+cell.dataset.at, +cell.dataset.value]);
    const steps = points.slice(1).map(([at], i) => at - points[i][0]);
    const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1];
    const all = points.flatMap((point, i) => (i && steps[i - 1] > 3 * usual ? [[(point[0] + points[i - 1][0]) / 2, null], point] : [point]));
    return [all.map(([at]) => at), all.map(([, value]) => value)];
  };

  for (const panel of document.querySelectorAll("[data-series]")) {
    const data = broken(panel.querySelectorAll("tbody td"));
    const [times] = data;
    if (times.length < 2) continue;
    const [first, last] = [times[0], times.at(-1)];
    const zoom = charts.zoom(panel, (share) => seconds(first + share * (last - first)));
    const line = {
      label: panel.dataset.series,
      stroke: () => charts.colour("--s1"),
      width: 1.6,
      points: { show: times.length < 200, size: 4, fill: () => charts.colour("--s1") },
      value: (_, value) => charts.figure(value),
    };
    const chart = charts.mount(
      panel.querySelector(".plot"),
      () => [
        {
          height: 220,
          cursor: { y: false },
          scales: { x: { time: false, range: () => zoom.part([first, last]) } },
          axes: [
            charts.axis({ size: 30, space: 74, values: (_, splits) => splits.map(seconds) }),
            charts.axis({ size: 62, values: (_, splits) => splits.map(charts.rate) }),
          ],
          series: [{ label: "at", value: (_, value) => (value == null ? "–" : seconds(value)) }, line],
        },
        data,
      ],
      zoom,
    );
    panel.querySelector("[data-series-chart]").hidden = false;
    chart.draw();
    zoom.describe();
  }
})();
