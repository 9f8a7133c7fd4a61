// SPDX-License-Identifier: Apache-2.0
// Requests/s and percentiles of every datapath, during a campaign and afterwards. It requests only new points.
"use strict";

(() => {
  const panel = document.querySelector("[data-traffic]");
  if (!panel) return;
  const part = (name) => panel.querySelector(`[data-traffic-${name}]`);
  const [message, table, level, span, caption, legend] = ["message", "table", "level", "span", "caption", "legend"].map(part);
  const datapaths = panel.dataset.datapaths.split(" ");
  const POLL_MS = 1500;
  const AWAY_MS = 10000; // poll less often while InfluxDB is unavailable
  const LIVE_S = 300;
  const WHOLE_EVERY = 20; // polls: spooled points arrive late

  let live = panel.dataset.live === "true";
  let window_ = null; // of the last answer
  let points = new Map(); // series key → { series, at: Map of time → [requests/s, p50, p99, errors] }
  let lines = [];
  let timer = 0;
  let polls = 0;
  const hidden = new Set(); // names of lines that the user does not want to see
  let asking = 0; // number of the newest request; answers to earlier ones are ignored

  const key = (one) => [one.host, one.datapath, one.workload, one.level].join(" ");
  const cellOf = (one) => (panel.dataset.workloads === "1" ? one.level : `${charts.spelled(one.workload)}, ${one.level}`);
  const levelKey = (one) => `${one.workload}.${one.level}`;

  const take = (answer) => {
    window_ = answer;
    const since = answer.from_ms;
    for (const known of points.values()) for (const t of known.at.keys()) if (t >= since) known.at.delete(t);
    for (const one of answer.series) {
      const known = points.get(key(one)) ?? { series: one, at: new Map() };
      points.set(key(one), known);
      one.times_ms.forEach((t, i) => known.at.set(t, [one.requests_per_s[i], one.p50_us[i], one.p99_us[i], one.errors[i]]));
    }
    if (!live || span.value !== "recent") return;
    const oldest = answer.until_ms - LIVE_S * 1000;
    for (const known of points.values()) for (const t of known.at.keys()) if (t < oldest) known.at.delete(t);
  };

  // One line per datapath and host: its cells in order, with a break at another cell or a pause.
  const lineUp = () => {
    const wanted = level.value;
    const hosts = new Set([...points.values()].map((known) => known.series.host));
    const found = new Map();
    for (const { series, at } of points.values()) {
      if (wanted && levelKey(series) !== wanted) continue;
      const name = hosts.size > 1 ? `${series.datapath} on ${series.host}` : series.datapath;
      if (!found.has(name)) found.set(name, { name, datapath: series.datapath, host: series.host, points: [] });
      for (const [t, values] of at) found.get(name).points.push({ t: t / 1000, values, cell: cellOf(series) });
    }
    const pause = Math.max(3 * window_.interval_s, 4);
    for (const line of found.values()) {
      line.points.sort((a, b) => a.t - b.t);
      const taken = new Set();
      for (const point of line.points) {
        while (taken.has(point.t)) point.t += window_.interval_s / 4; // two cells in one interval
        taken.add(point.t);
      }
      const broken = [];
      line.points.forEach((point, i) => {
        const before = line.points[i - 1];
        if (before && (before.cell !== point.cell || point.t - before.t > pause))
          broken.push({ t: (before.t + point.t) / 2, values: [null, null, null, null], cell: "" });
        broken.push(point);
      });
      line.points = broken;
    }
    const order = (line) => [datapaths.indexOf(line.datapath), line.host];
    lines = [...found.values()].filter((line) => line.points.length);
    lines.sort((a, b) => order(a)[0] - order(b)[0] || a.host.localeCompare(b.host));
  };

  const aligned = (columns) => {
    if (!lines.length) return [[], ...columns.map(() => [])];
    const tables = lines.map((line) => [line.points.map((p) => p.t), ...columns.map((c) => line.points.map((p) => p.values[c]))]);
    // 2: a break extends to the line's own neighbours, across the moments of the other lines.
    return uPlot.join(tables, tables.map((table) => table.map(() => 2)));
  };

  const stroke = (line) => charts.colour(`--s${Math.max(0, datapaths.indexOf(line.datapath)) % 9}`);
  const drawn = (line, more) => ({ label: line.name, show: !hidden.has(line.name), stroke: stroke(line), width: 1.6, points: { size: 4, stroke: stroke(line), fill: stroke(line) }, ...more });
  const moves = (kind) => kind === "mousemove" || kind === "mouseleave"; // a part is chosen on one chart only
  const common = () => ({
    height: 230,
    legend: { show: false },
    cursor: { sync: { key: "traffic", filters: { pub: moves, sub: moves } }, y: false, points: { size: 6 } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Etc/UTC"),
  });
  const whole = () => {
    if (!window_) return [0, 1];
    const now = window_.until_ms / 1000 - 5;
    if (live && span.value === "recent") return [now - LIVE_S, now];
    const first = Math.min(now, ...lines.map((line) => line.points[0].t));
    const last = Math.max(first, ...lines.map((line) => line.points.at(-1).t));
    return [first - window_.interval_s, (live ? now : last) + window_.interval_s];
  };
  const zoom = charts.zoom(panel, (share) => charts.clock(whole()[0] + share * (whole()[1] - whole()[0])));
  const range = () => zoom.part(whole());

  // The cell's name at the start of its stretch, if there is room.
  const nameCells = (plot) => {
    if (level.value || !lines.length) return;
    const begins = new Map();
    for (const line of lines)
      line.points.forEach((point, i) => {
        if (point.cell && line.points[i - 1]?.cell !== point.cell) begins.set(Math.round(point.t), point.cell);
      });
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillStyle = charts.colour("--faint");
    ctx.textAlign = "left";
    let free = bbox.left;
    let last = "";
    const starts = [...begins].sort((a, b) => a[0] - b[0]).map(([t, cell]) => [plot.valToPos(t, "x", true), cell]);
    for (const [start, cell] of starts.filter((_, i) => !(starts[i + 1]?.[0] <= bbox.left))) {
      const x = Math.max(start, bbox.left);
      const width = ctx.measureText(cell).width;
      const goesOn = cell === last;
      last = cell;
      if (goesOn || x < free || x + width > bbox.left + bbox.width) continue;
      ctx.fillText(cell, x + 2, bbox.top + 11 * devicePixelRatio);
      free = x + width + 10 * devicePixelRatio;
    }
    ctx.restore();
  };

  const rates = charts.mount(part("rates"), () => [
    {
      ...common(),
      scales: { x: { time: true, range }, y: { range: (_, __, high) => [0, (high || 1) * 1.18] } },
      axes: [charts.clockAxis(), charts.axis({ size: 62, values: (_, splits) => splits.map(charts.rate) })],
      series: [{}, ...lines.map((line) => drawn(line))],
      hooks: { draw: [nameCells], setCursor: [(plot) => showFigures(plot.cursor.idx == null ? null : plot.data[0][plot.cursor.idx])] },
    },
    aligned([0]),
  ], zoom);
  const times = charts.mount(part("times"), () => [
    {
      ...common(),
      scales: { x: { time: true, range }, y: { distr: 3, range: (_, low, high) => (low > 0 ? [low / 1.3, high * 1.3] : [10, 1000]) } },
      axes: [charts.clockAxis(), charts.timeAxis()],
      series: [{}, ...lines.flatMap((line) => [drawn(line), drawn(line, { dash: [5, 4], width: 1.2, points: { show: false } })])],
    },
    aligned([1, 2]),
  ], zoom);

  // The figures under the pointer; without a pointer the latest, or the range if the campaign has ended.
  const showFigures = (at) => {
    const rows = lines.map((line) => {
      const real = line.points.filter((point) => point.values[0] != null);
      if (at == null && !live) return [line, null, ...[0, 1, 2].map((i) => spread(real, i)), sum(real)];
      const near = at == null ? real.at(-1) : real.reduce((a, b) => (a && Math.abs(a.t - at) <= Math.abs(b.t - at) ? a : b), null);
      return [line, near, ...(near ? [charts.rate(near.values[0]), charts.figure(near.values[1]), charts.figure(near.values[2]), near.values[3] ?? 0] : ["–", "–", "–", "–"])];
    });
    caption.textContent = at != null ? `At ${charts.clock(at)} UTC` : live ? "The latest of each datapath" : "From the lowest to the highest interval";
    table.replaceChildren(...rows.map(row));
  };
  const spread = (real, i) => {
    const values = real.map((point) => point.values[i]).filter((value) => value != null);
    if (!values.length) return "–";
    const write = i ? charts.figure : charts.rate;
    return `${write(values.reduce((a, b) => Math.min(a, b)))} to ${write(values.reduce((a, b) => Math.max(a, b)))}`;
  };
  const sum = (real) => real.reduce((total, point) => total + (point.values[3] ?? 0), 0);
  const row = ([line, point, ...values]) => {
    const tr = document.createElement("tr");
    const th = document.createElement("th");
    const mark = document.createElement("span");
    th.scope = "row";
    mark.className = `key series-${Math.max(0, datapaths.indexOf(line.datapath)) % 9}`;
    const name = document.createElement("span");
    name.className = "mono";
    name.textContent = line.name;
    th.append(mark, name);
    const cells = [point ? point.cell : level.value ? level.selectedOptions[0].textContent : "all", ...values].map((value) => {
      const td = document.createElement("td");
      td.textContent = value;
      return td;
    });
    tr.append(th, ...cells);
    return tr;
  };

  const offerLevels = () => {
    const known = new Set([...level.options].map((option) => option.value));
    const order = ({ series }) => panel.dataset.levels.split(" ").indexOf(series.level);
    for (const { series } of [...points.values()].sort((a, b) => order(a) - order(b))) {
      if (known.has(levelKey(series))) continue;
      known.add(levelKey(series));
      level.add(new Option(cellOf(series), levelKey(series)));
    }
  };

  // The charts' legend: a button per line shows or hides it in both.
  const entry = (line) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const key = document.createElement("span");
    key.className = `key series-${Math.max(0, datapaths.indexOf(line.datapath)) % 9}`;
    button.type = "button";
    button.className = "quiet mono";
    button.append(key, line.name);
    button.setAttribute("aria-pressed", String(!hidden.has(line.name)));
    button.addEventListener("click", () => {
      if (!hidden.delete(line.name)) hidden.add(line.name);
      button.setAttribute("aria-pressed", String(!hidden.has(line.name)));
      rates.draw();
      times.draw();
    });
    item.append(button);
    return item;
  };

  let shape = "";
  const show = () => {
    lineUp();
    const now = lines.map((line) => line.name).join();
    panel.classList.toggle("without-data", !lines.length);
    if (!lines.length) return;
    if (now === shape) {
      rates.update(aligned([0]));
      times.update(aligned([1, 2]));
    } else {
      shape = now;
      legend.replaceChildren(...lines.map(entry));
      rates.draw();
      times.draw();
    }
    zoom.describe();
    showFigures(null);
  };

  const ended = () => {
    live = false;
    panel.querySelector("h2").textContent = panel.dataset.endedTitle;
    span.closest(".field").hidden = true;
    zoom.hide(false);
  };

  const url = (fresh) => {
    const query = new URLSearchParams();
    if (live && span.value === "recent") query.set("last_s", LIVE_S);
    if (!fresh && window_) {
      query.set("since_ms", window_.next_since_ms);
      query.set("interval_s", window_.interval_s);
    }
    return `${panel.dataset.traffic}?${query}`;
  };

  const poll = async (fresh = false) => {
    clearTimeout(timer);
    fresh ||= !points.size || ++polls % WHOLE_EVERY === 0;
    const mine = ++asking;
    let pause = POLL_MS;
    try {
      const answer = await charts.ask(url(fresh));
      if (mine !== asking) return;
      if (fresh) points = new Map();
      const ends = live && !answer.live;
      take(answer);
      offerLevels();
      if (ends) {
        ended();
        return void poll(true); // once more, the whole range
      }
      show();
      message.textContent = lines.length ? "" : live ? "The first points appear with the first slices." : `InfluxDB has no traffic of this campaign.${answer.missing ? ` Missing: ${answer.missing}` : ""}`;
    } catch (error) {
      if (mine !== asking) return;
      message.textContent = `${live ? "No live figures" : "Not shown"}: ${error.message}.`;
      panel.classList.toggle("without-data", !lines.length);
      pause = AWAY_MS;
    }
    if (live && !document.hidden) timer = setTimeout(() => poll(), pause);
  };

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (live && !document.hidden) poll();
  });
  level.addEventListener("change", show);
  span.addEventListener("change", () => poll(true));
  poll(true);
})();
