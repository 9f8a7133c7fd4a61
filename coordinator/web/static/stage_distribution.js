// SPDX-License-Identifier: Apache-2.0
// The distribution of a kernel stage's durations in a trial: the share in each latency bucket, one line per role.
"use strict";

(() => {
  const panel = document.querySelector("[data-stage-latency]");
  const figure = panel?.querySelector("[data-stage-distribution]");
  if (!figure) return;
  let stages = [];

  const sum = (counts) => counts.reduce((a, b) => a + b, 0);

  // One list of bucket bounds for all roles, in µs; a bucket that a role did not fill is zero, not a gap.
  const aligned = () => {
    const bounds = [...new Set(stages.flatMap((one) => one.buckets.map((bucket) => bucket.le_ns)))].sort((a, b) => a - b);
    const shares = stages.map((one) => {
      const counts = new Map(one.buckets.map((bucket) => [bucket.le_ns, sum(bucket.counts)]));
      const total = sum([...counts.values()]);
      return bounds.map((bound) => (100 * (counts.get(bound) ?? 0)) / total);
    });
    return [bounds.map((bound) => bound / 1000), ...shares];
  };

  const chart = charts.mount(figure, () => [
    {
      height: 260,
      cursor: { y: false, drag: { x: false } },
      scales: { x: { time: false, distr: 3 } },
      axes: [charts.timeAxis({ size: 30, grid: { show: false } }), charts.axis({ size: 62, values: (_, splits) => splits.map((value) => `${value} %`) })],
      series: [
        { label: "up to", value: (_, value) => (value == null ? "–" : charts.time(value)) },
        ...stages.map((one, index) => ({
          label: one.role ? charts.spelled(one.role) : charts.spelled(one.stage),
          stroke: charts.colour(`--s${(index + 1) % 9}`),
          width: 1.8,
          points: { show: false },
          paths: uPlot.paths.stepped({ align: -1 }),
          value: (_, value) => (value == null ? "–" : `${value.toFixed(1)} %`),
        })),
      ],
    },
    aligned(),
  ]);

  panel.addEventListener("stage-chosen", (event) => {
    stages = event.detail;
    chart.draw();
  });
})();
