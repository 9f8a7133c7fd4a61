// SPDX-License-Identifier: Apache-2.0
// One kernel stage over time: a column of latency buckets per moment with attached probes, with p50 and p99.
// For a campaign: two datapaths side by side. For a trial: its own stages.
"use strict";

(() => {
  const panel = document.querySelector("[data-stage-latency]");
  if (!panel) return;
  const part = (name) => panel.querySelector(`[data-stage-${name}]`);
  const message = part("message");
  const sides = [...panel.querySelectorAll("[data-stage-side]")];
  const ofTrial = panel.dataset.stageLatency === "trial";
  const roleOf = (one) => (one.role ? `${charts.spelled(one.stage)}, ${charts.spelled(one.role)}` : charts.spelled(one.stage));
  const cellOf = (one) => (panel.dataset.workloads === "1" ? one.level : `${charts.spelled(one.workload)}, ${one.level}`);
  const us = (ns) => (ns == null ? null : ns / 1000);

  let shown = []; // per side: what is drawn, or null
  let yRange = [1, 1000];
  let darkest = 1;

  const seconds = (one, column) => (one.times_ms ? one.times_ms[column] : Date.parse(one.times[column])) / 1000;

  // Moments of one trial may be less than a second apart.
  const moment = (one, column) => {
    const brief = seconds(one, one.count.length - 1) - seconds(one, 0) < 2 * one.count.length;
    return charts.clock(seconds(one, column), brief ? 10 : 8);
  };

  const zoom = charts.zoom(panel, (part) => {
    const one = shown.find(Boolean);
    return one ? moment(one, Math.round(part * (one.count.length - 1))) : "–";
  });

  const share = (one, bucket, column) => (one.count[column] ? bucket.counts[column] / one.count[column] : 0);

  const fitScales = () => {
    const buckets = shown.filter(Boolean).flatMap((one) => one.buckets.map((bucket) => ({ one, bucket })));
    if (!buckets.length) return;
    const low = Math.min(...buckets.map(({ bucket }) => bucket.ge_ns || bucket.le_ns / 2));
    const high = Math.max(...buckets.map(({ bucket }) => bucket.le_ns));
    yRange = [us(low), us(high)];
    darkest = Math.max(...buckets.map(({ one, bucket }) => Math.max(...one.count.map((_, column) => share(one, bucket, column)))), 0.01);
  };

  const cells = (side) => (plot) => {
    const one = shown[side];
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = charts.colour("--accent");
    for (const bucket of one.buckets) {
      const top = plot.valToPos(us(bucket.le_ns), "y", true);
      const bottom = plot.valToPos(us(bucket.ge_ns || bucket.le_ns / 2), "y", true);
      bucket.counts.forEach((count, column) => {
        if (!count) return;
        const left = plot.valToPos(column - 0.5, "x", true);
        const right = plot.valToPos(column + 0.5, "x", true);
        ctx.globalAlpha = 0.06 + 0.8 * Math.sqrt(share(one, bucket, column) / darkest);
        ctx.fillRect(left, top, Math.max(1, right - left - 1), Math.max(1, bottom - top));
      });
    }
    ctx.restore();
  };

  const plots = sides.map((side, index) =>
    charts.mount(side.querySelector(".plot"), () => {
      const one = shown[index];
      const line = (label, dash) => ({
        label, stroke: charts.colour("--ink"), width: 1.4, dash, points: { show: one.count.length < 40, size: 5, fill: charts.colour("--ink") },
        value: (_, value) => (value == null ? "–" : charts.time(value)),
      });
      return [
        {
          height: 260,
          cursor: { y: false },
          legend: { live: true, markers: { dash: (plot, i) => (plot.series[i].dash ? "dashed" : "solid") } },
          scales: { x: { time: false, range: () => zoom.part([-0.5, one.count.length - 0.5]) }, y: { distr: 3, range: () => yRange } },
          axes: [
            charts.axis({
              space: 74, size: 30, grid: { show: false }, incrs: [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500],
              values: (_, splits) => splits.map((column) => (Number.isInteger(column) && column in one.count ? moment(one, column) : "")),
            }),
            charts.timeAxis(),
          ],
          series: [
            { label: "at", value: (_, column) => (column == null ? "–" : `${moment(one, column)} UTC`) },
            line("p50"),
            line("p99", [5, 4]),
            { label: "durations", show: true, scale: "count", paths: () => null, points: { show: false }, value: (_, value) => value ?? "–" },
          ],
          hooks: { drawClear: [cells(index)] },
        },
        [one.count.map((_, column) => column), one.p50_ns.map(us), one.p99_ns.map(us), one.count],
      ];
    }, zoom),
  );

  const strongest = () => `The strongest colour is ${charts.figure(100 * darkest)} % of a column's durations.`;
  const words = (one) => {
    const whole = one.whole;
    if (!whole) return `${charts.count(one.count.reduce((a, b) => a + b, 0))} durations in ${one.count.length} ${one.count.length === 1 ? "interval" : "intervals"}.`;
    const lost = whole.lost ? `, ${charts.count(whole.lost)} lost` : "";
    return `p50 ${charts.time(us(whole.p50_ns))}, p99 ${charts.time(us(whole.p99_ns))}, longest ${charts.time(us(whole.max_ns))}; ${charts.count(whole.count)} durations${lost}.`;
  };

  const draw = (found, names) => {
    shown = found;
    fitScales();
    sides.forEach((side, index) => {
      const one = shown[index];
      side.hidden = one === undefined;
      side.querySelector("figcaption").textContent = names[index] ?? "";
      side.querySelector("[data-stage-words]").textContent = one ? `${words(one)} ${strongest()}` : one === null ? "No data of this stage: it does not apply, or no probe watched it." : "";
      if (one) plots[index].draw();
      else plots[index].clear();
    });
    zoom.describe();
  };

  const fill = (select, options, chosen) => {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
    if (options.length && !options.some(([value]) => value === chosen)) select.selectedIndex = 0;
  };
  const distinct = (list, value, text) => [...new Map(list.map((one) => [value(one), text(one)]))];
  const stageKey = (one) => `${one.stage}.${one.role}`;
  const cellKey = (one) => `${one.workload}.${one.level}`;

  let stages = [];
  let asking = 0;

  // What is shown first, as [stage, cell, datapath]: the page names what differs most. If the telemetry has none of
  // that: waiting for a CPU, in the role that most datapaths have.
  const initial = () => {
    const isThere = ([stage, cell]) => stages.some((one) => stageKey(one) === stage && (ofTrial || cellKey(one) === cell));
    const named = panel.dataset.differs.split(" ").map((one) => one.split("/")).find(isThere);
    if (named) return named;
    const queues = stages.filter((one) => one.stage === "run_queue");
    const spread = (one) => new Set(queues.filter((other) => other.role === one.role).map((other) => other.datapath)).size;
    return queues.length ? [stageKey(queues.reduce((a, b) => (spread(b) > spread(a) ? b : a)))] : [];
  };

  const offer = () => {
    const datapaths = panel.dataset.datapaths.split(" ").filter((name) => stages.some((one) => one.datapath === name));
    const named = distinct(stages, stageKey, roleOf).sort((a, b) => a[0].localeCompare(b[0]));
    const [stage, cell, differing] = initial();
    fill(part("stage"), named, part("stage").value || stage);
    fill(part("cell"), distinct(stages, cellKey, cellOf), part("cell").value || cell);
    const pairs = datapaths.map((name) => [name, name]);
    const reference = panel.dataset.reference;
    fill(part("left"), pairs, part("left").value || (datapaths.includes(reference) ? reference : datapaths[0]));
    const others = datapaths.filter((name) => name !== part("left").value);
    const other = others.includes(differing) ? differing : (others[0] ?? "");
    fill(part("right"), [["", "nothing"], ...pairs], part("right").dataset.chosen ?? other);
  };

  const compare = async () => {
    const mine = ++asking;
    const [stage, role] = part("stage").value.split(".");
    const [workload, level] = part("cell").value.split(".");
    const wanted = [part("left").value, part("right").value].filter(Boolean);
    try {
      const answers = await Promise.all(
        wanted.map((datapath) => charts.ask(`${panel.dataset.url}?${new URLSearchParams({ stage, role, datapath, workload, level, points: 120 })}`)),
      );
      if (mine !== asking) return;
      draw(answers.map((answer) => answer.series[0] ?? null), wanted);
      message.textContent = "";
    } catch (error) {
      if (mine === asking) message.textContent = `Not shown: ${error.message}.`;
    }
  };

  const ofCampaign = async () => {
    const answer = await charts.ask(`${panel.dataset.url}/stages`);
    const levels = panel.dataset.levels.split(" "); // low, medium, high is the campaign's order, not the alphabet's
    stages = answer.series.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
    panel.classList.toggle("without-data", !stages.length);
    if (!stages.length) {
      message.textContent = answer.live ? "The first points appear with the first slices that probes watch." : `InfluxDB has no kernel latency of this campaign.${answer.missing ? ` Missing: ${answer.missing}` : ""}`;
      return;
    }
    offer();
    await compare();
  };

  const ofOneTrial = async () => {
    const answer = await charts.ask(panel.dataset.url);
    stages = answer.stages.filter((one) => one.buckets.length);
    panel.classList.toggle("without-data", !stages.length);
    message.textContent = stages.length ? "" : "InfluxDB has no kernel latency of this trial.";
    if (!stages.length) return;
    const named = distinct(stages, stageKey, roleOf).sort((a, b) => a[0].localeCompare(b[0]));
    fill(part("stage"), named, part("stage").value || initial()[0]);
    const one = stages.find((stage) => stageKey(stage) === part("stage").value);
    draw([one], [roleOf(one)]);
    const detail = stages.filter((other) => other.stage === one.stage);
    panel.dispatchEvent(new CustomEvent("stage-chosen", { detail }));
  };

  const show = () =>
    (ofTrial ? ofOneTrial() : ofCampaign()).catch((error) => {
      panel.classList.add("without-data");
      message.textContent = `Not shown: ${error.message}.`;
    });

  for (const select of panel.querySelectorAll("select"))
    select.addEventListener("change", () => {
      if (select === part("right")) select.dataset.chosen = select.value;
      if (ofTrial) show();
      else compare();
    });
  // A block has ended: there may be new stages, and new moments of the chosen one.
  document.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "results" && show());
  show();
})();
