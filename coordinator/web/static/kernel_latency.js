// SPDX-License-Identifier: Apache-2.0
// Draws what the probes measured during a trial, as InfluxDB has it: the share of events per latency bucket, by stage.
"use strict";

(() => {
  const figure = document.querySelector("[data-kernel-latency]");
  const message = document.querySelector("[data-kernel-latency-message]");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // One list of bucket bounds for all stages, in µs; a bucket that a stage did not fill is zero, not a gap.
  const aligned = (stages) => {
    const bounds = [...new Set(stages.flatMap((stage) => stage.buckets.map((bucket) => bucket.le_ns)))].sort((a, b) => a - b);
    const shares = stages.map((stage) => {
      const counts = new Map(stage.buckets.map((bucket) => [bucket.le_ns, bucket.counts.reduce((a, b) => a + b, 0)]));
      const total = [...counts.values()].reduce((a, b) => a + b, 0);
      return bounds.map((bound) => (100 * (counts.get(bound) ?? 0)) / total);
    });
    return [bounds.map((bound) => bound / 1000), ...shares];
  };

  const draw = (stages) => {
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const options = {
      width: Math.max(320, figure.clientWidth),
      height: 280,
      scales: { x: { time: false, distr: 3 } },
      axes: [
        { ...axis, grid: { show: false }, label: "latency, µs (upper bound of the bucket)" },
        { ...axis, label: "share of events, %", size: 60 },
      ],
      series: [
        { label: "µs", value: (_, value) => value?.toPrecision(3) ?? "–" },
        ...stages.map((stage, index) => ({
          label: stage.stage,
          stroke: colour(`--s${(index + 1) % 9}`),
          width: 2,
          points: { show: false },
          paths: uPlot.paths.stepped({ align: -1 }),
          value: (_, value) => (value == null ? "–" : `${value.toFixed(1)} %`),
        })),
      ],
    };
    const plot = new uPlot(options, aligned(stages), figure);
    addEventListener("resize", () => plot.setSize({ width: Math.max(320, figure.clientWidth), height: options.height }));
  };

  const show = async () => {
    const response = await fetch(figure.dataset.kernelLatency, { headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (!response.ok) {
      message.textContent = answer.message;
      return;
    }
    const stages = answer.stages.filter((stage) => stage.buckets.length);
    if (!stages.length) {
      message.textContent = "InfluxDB has nothing of this trial.";
      return;
    }
    draw(stages);
    message.textContent = "";
  };

  show().catch((error) => {
    message.textContent = `The telemetry could not be read: ${error.message}`;
  });
})();
