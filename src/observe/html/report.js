"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // ---- numbers for people
  const time = (s) => {
    const a = Math.abs(s);
    if (a >= 120) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
    const [v, u] = a >= 1 ? [s, "s"] : a >= 1e-3 ? [s * 1e3, "ms"] : a >= 1e-6 ? [s * 1e6, "µs"] : [s * 1e9, "ns"];
    return `${Math.abs(v) >= 100 || u === "ns" ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2)} ${u}`;
  };
  const bytes = (n) => {
    if (n < 1024) return `${n} bytes`;
    let u = 0;
    for (; n >= 1024 && u < 4; u++) n /= 1024;
    return `${n.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][u]}`;
  };

  // ---- tasks: per thread flat arrays, in ticks of data.tick seconds; starts are differences
  const rows = data.workers.map((worker) => {
    const n = worker.spans.length / 5;
    const row = { name: worker.name, n, start: new Float64Array(n), end: new Float64Array(n), stage: new Uint32Array(n),
      task: new Uint32Array(n), flags: new Uint8Array(n), depth: new Uint8Array(n) };
    let at = 0;
    const open = [];
    for (let i = 0, k = 0; i < n; i++, k += 5) {
      at += worker.spans[k];
      row.start[i] = at * data.tick;
      row.end[i] = (at + worker.spans[k + 1]) * data.tick;
      row.stage[i] = worker.spans[k + 2];
      row.task[i] = worker.spans[k + 3];
      row.flags[i] = worker.spans[k + 4];
      // A task inside of another is drawn lower.
      while (open.length && row.end[open[open.length - 1]] <= row.start[i]) open.pop();
      row.depth[i] = Math.min(open.length, 3);
      open.push(i);
    }
    // The latest end so far: with it, what begins before the window and reaches into it is found by bisection.
    row.reach = new Float64Array(n);
    let reach = 0;
    for (let i = 0; i < n; i++) row.reach[i] = reach = Math.max(reach, row.end[i]);
    return row;
  });
  const first = (list, value) => {
    let lo = 0, hi = list.length;
    while (lo < hi) { const mid = (lo + hi) >> 1; if (list[mid] < value) lo = mid + 1; else hi = mid; }
    return lo;
  };

  const whole = { from: 0, to: Math.max(data.seconds, 1e-9) };
  const view = { ...whole };
  const canvas = $("timeline"), tip = $("tip");
  const memory = $("memory"), memoryTip = $("memory-tip");
  const LEFT = 96, AXIS = 24, ROW = Math.max(14, Math.min(34, 420 / Math.max(1, rows.length)));
  let selected = null;

  const prepare = (canvas, height) => {
    const width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const g = canvas.getContext("2d");
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = `12px ${css("--font")}`;
    return [g, width];
  };
  const toX = (t, width) => LEFT + (t - view.from) / (view.to - view.from) * (width - LEFT - 8);
  const toTime = (x, width) => view.from + (x - LEFT) / (width - LEFT - 8) * (view.to - view.from);

  // As many digits as tell one mark from the next.
  const tick = (t, step) => {
    const [unit, name] = view.to >= 1 ? [1, "s"] : view.to >= 1e-3 ? [1e-3, "ms"] : [1e-6, "µs"];
    const digits = Math.max(0, Math.min(12, Math.ceil(-Math.log10(step / unit) - 1e-9)));
    return `${(Math.abs(t) < step / 1e6 ? 0 : t / unit).toFixed(digits)} ${name}`;
  };
  const axis = (g, width, y) => {
    const span = view.to - view.from;
    const rough = span / Math.max(2, (width - LEFT) / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    g.fillStyle = css("--soft"); g.strokeStyle = css("--line"); g.textAlign = "center"; g.lineWidth = 1;
    for (let t = Math.ceil(view.from / step) * step; t <= view.to; t += step) {
      const x = Math.round(toX(t, width)) + 0.5;
      g.beginPath(); g.moveTo(x, 0); g.lineTo(x, y); g.stroke();
      if (x > LEFT + 12 && x < width - 24) g.fillText(tick(t, step), x, y + 16);
    }
  };

  const drawTimeline = () => {
    const height = rows.length * ROW + AXIS;
    const [g, width] = prepare(canvas, height);
    axis(g, width, height - AXIS);
    const perPixel = (view.to - view.from) / (width - LEFT - 8);
    rows.forEach((row, number) => {
      const top = number * ROW + 2, high = ROW - 4;
      g.fillStyle = css("--idle");
      g.fillRect(LEFT, top, width - LEFT - 8, high);
      const stop = first(row.start, view.to);
      // Tasks narrower than a pixel are added up by pixel and operation; a pixel shows the operation with the most time,
      // as high as the part of it that was busy.
      let pixel = -1, busy = 0, by = new Map();
      const flush = () => {
        if (busy > 0) {
          let best = 0, most = -1;
          for (const [op, t] of by) if (t > most) { most = t; best = op; }
          const part = Math.min(1, busy / perPixel), h = Math.max(1.5, high * part);
          g.fillStyle = data.ops[best].color;
          g.fillRect(LEFT + pixel, top + high - h, 1, h);
        }
        busy = 0;
        by.clear();
      };
      for (let i = first(row.reach, view.from); i < stop; i++) {
        if (row.end[i] < view.from) continue;
        const op = data.stages[row.stage[i]].op;
        const x0 = (Math.max(row.start[i], view.from) - view.from) / perPixel;
        const x1 = (Math.min(row.end[i], view.to) - view.from) / perPixel;
        if (x1 - x0 < 1.5) {
          const at = Math.floor(x0);
          if (at !== pixel) { flush(); pixel = at; }
          const t = (x1 - x0) * perPixel;
          busy += t;
          by.set(op, (by.get(op) || 0) + t);
          continue;
        }
        const inset = Math.min(row.depth[i] * 5, high - 6);
        g.fillStyle = data.ops[op].color;
        g.fillRect(LEFT + x0, top + inset, Math.max(1, x1 - x0 - (x1 - x0 > 4 ? 1 : 0)), high - inset);
        if (row.flags[i] & 1 && x1 - x0 > 8) {
          g.strokeStyle = css("--paper"); g.lineWidth = 1.5; g.beginPath();
          for (let k = 0; k < 3; k++) { g.moveTo(LEFT + x0 + 2 + 3 * k, top + high - 2); g.lineTo(LEFT + x0 + 5 + 3 * k, top + high - 9); }
          g.stroke();
        }
        if (row.flags[i] & 2) { g.strokeStyle = css("--budget"); g.lineWidth = 2; g.strokeRect(LEFT + x0 + 1, top + 1, Math.max(2, x1 - x0 - 2), high - 2); }
        if (x1 - x0 > 60 && high >= 16) {
          const label = data.stages[row.stage[i]].name;
          if (g.measureText(label).width < x1 - x0 - 10) {
            g.fillStyle = "#ffffff"; g.textAlign = "left";
            g.fillText(label, LEFT + x0 + 5, top + high / 2 + 4);
          }
        }
      }
      flush();
      g.fillStyle = css("--ink"); g.textAlign = "right";
      if (ROW >= 13 || number % 2 === 0) g.fillText(row.name, LEFT - 8, top + high / 2 + 4);
    });
    if (selected) {
      const row = rows[selected.row], top = selected.row * ROW + 1;
      const x0 = Math.max(LEFT, toX(row.start[selected.at], width)), x1 = toX(row.end[selected.at], width);
      g.strokeStyle = css("--ink"); g.lineWidth = 2;
      if (x1 >= LEFT && x0 <= width) g.strokeRect(x0 - 1, top, Math.max(3, x1 - x0 + 2), ROW - 2);
    }
    $("range").textContent = `${time(view.to - view.from)} from ${time(view.from)} on, of ${time(whole.to)}`;
  };

  const points = data.memory;
  const drawMemory = () => {
    const height = 190, bottom = height - AXIS, top = 18;
    const [g, width] = prepare(memory, height);
    axis(g, width, bottom);
    let most = 1;
    for (let i = 0; i < points.length; i += 3) most = Math.max(most, points[i + 1], points[i + 2]);
    // A budget far above what was planned would make the curve flat: its line is then at the top, and no measure.
    const shown = data.budget <= 6 * most;
    $("budget-off").textContent = ` (${bytes(data.budget)}${shown ? "" : ", its line is not to scale"})`;
    if (shown) most = Math.max(most, data.budget);
    const y = (n) => bottom - n / most * (bottom - top);
    g.save();
    g.beginPath(); g.rect(LEFT, 0, width - LEFT - 8, height); g.clip();
    const steps = (which) => {
      g.beginPath();
      let started = false, last = 0;
      for (let i = 0; i < points.length; i += 3) {
        const x = toX(points[i], width);
        if (!started) { g.moveTo(LEFT, y(0)); g.lineTo(x, y(0)); started = true; } else g.lineTo(x, y(last));
        last = points[i + which];
        g.lineTo(x, y(last));
      }
      g.lineTo(toX(view.to, width), y(last));
    };
    steps(1);
    g.lineWidth = 1.5; g.strokeStyle = css("--held"); g.stroke();
    g.lineTo(toX(view.to, width), bottom); g.lineTo(LEFT, bottom); g.closePath();
    g.globalAlpha = 0.25; g.fillStyle = css("--held"); g.fill(); g.globalAlpha = 1;
    steps(2);
    g.setLineDash([6, 4]); g.strokeStyle = css("--planned"); g.stroke(); g.setLineDash([]);
    if (data.budget > 0) {
      const at = shown ? y(data.budget) : 4;
      g.strokeStyle = css("--budget"); g.lineWidth = 2; g.setLineDash(shown ? [] : [2, 4]);
      g.beginPath(); g.moveTo(LEFT, at); g.lineTo(width, at); g.stroke(); g.setLineDash([]);
    }
    g.restore();
    g.fillStyle = css("--soft"); g.textAlign = "right";
    for (const part of [0, 0.5, 1]) g.fillText(bytes(Math.round(most * part)), LEFT - 8, y(most * part) + 4);
  };

  let waiting = false;
  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; drawTimeline(); drawMemory(); });
  };

  // ---- moving and zooming
  const set = (from, to) => {
    const least = Math.max(whole.to * 1e-7, 1e-8);
    const span = Math.min(whole.to, Math.max(least, to - from));
    view.from = Math.max(0, Math.min(from, whole.to - span));
    view.to = view.from + span;
    tip.hidden = true;
    draw();
  };
  const zoom = (factor, at = (view.from + view.to) / 2) =>
    set(at - (at - view.from) * factor, at + (view.to - at) * factor);
  const move = (part) => { const d = part * (view.to - view.from); set(view.from + d, view.to + d); };
  const actions = { in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25),
    all: () => set(0, whole.to) };
  document.querySelectorAll("[data-do]").forEach((button) =>
    button.addEventListener("click", () => actions[button.dataset.do]()));

  const describe = (row, at) => {
    const stage = data.stages[row.stage[at]], n = row.task[at] - stage.first;
    let place = "";
    if (!stage.grid.length && stage.parts > 1) place = ` part ${n % stage.parts + 1} of ${stage.parts}`;
    if (stage.grid.length) {
      let cell = Math.floor(n / stage.parts);
      const index = [];
      for (let a = stage.grid.length - 1; a >= 0; a--) { index.unshift(cell % stage.grid[a]); cell = Math.floor(cell / stage.grid[a]); }
      place = ` block [${index.join(", ")}]` + (stage.parts > 1 ? ` part ${n % stage.parts + 1} of ${stage.parts}` : "");
    }
    const marks = (row.flags[at] & 1 ? ", stolen" : "") + (row.flags[at] & 2 ? ", failed" : "");
    return `${stage.name}${place}: task ${row.task[at]} on ${row.name}, ${time(row.end[at] - row.start[at])} from ${time(row.start[at])}${marks}`;
  };
  const hit = (x, y) => {
    const number = Math.floor(y / ROW), row = rows[number];
    if (!row || x < LEFT) return null;
    const t = toTime(x, canvas.clientWidth), slack = 2 * (view.to - view.from) / canvas.clientWidth;
    let best = null;
    for (let i = first(row.start, t + slack) - 1; i >= 0 && row.reach[i] >= t - slack; i--) {
      // The innermost that holds the moment, else the nearest.
      if (row.start[i] <= t && row.end[i] >= t) return { row: number, at: i };
      if (!best && row.end[i] >= t - slack) best = { row: number, at: i };
    }
    return best;
  };
  const place = (element, box, x, y) => {
    element.hidden = false;
    const width = element.offsetWidth;
    element.style.left = `${Math.max(4, Math.min(x + 14, box.clientWidth - width - 4))}px`;
    element.style.top = `${Math.max(2, Math.min(y + 14, box.clientHeight - element.offsetHeight - 2))}px`;
  };
  let drag = null;
  canvas.addEventListener("pointerdown", (e) => { drag = { x: e.offsetX, from: view.from, to: view.to }; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointermove", (e) => {
    if (drag) {
      const d = (drag.x - e.offsetX) / (canvas.clientWidth - LEFT - 8) * (drag.to - drag.from);
      tip.hidden = true;
      set(drag.from + d, drag.to + d);
      return;
    }
    const found = hit(e.offsetX, e.offsetY);
    if (!found) { tip.hidden = true; return; }
    tip.textContent = describe(rows[found.row], found.at);
    place(tip, $("timeline-box"), e.offsetX, e.offsetY);
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && document.activeElement !== canvas) return;
    e.preventDefault();
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) move(e.deltaX / 800);
    else zoom(Math.exp(e.deltaY / 400), toTime(e.offsetX, canvas.clientWidth));
  }, { passive: false });

  const step = (by) => {
    if (!selected) {
      const number = rows.findIndex((row) => row.n > 0);
      if (number < 0) return;
      selected = { row: number, at: Math.min(rows[number].n - 1, first(rows[number].end, view.from)) };
    } else {
      selected.at += by;
      const n = rows.length;
      for (let tries = 0; (selected.at < 0 || selected.at >= rows[selected.row].n) && tries < n; tries++) {
        selected.row = (selected.row + Math.sign(by) + n) % n;
        selected.at = by > 0 ? 0 : rows[selected.row].n - 1;
      }
    }
    const row = rows[selected.row], { start, end } = { start: row.start[selected.at], end: row.end[selected.at] };
    const span = view.to - view.from;
    if (start < view.from || end > view.to) set((start + end) / 2 - span / 2, (start + end) / 2 + span / 2);
    $("said").textContent = describe(row, selected.at);
    tip.textContent = describe(row, selected.at);
    place(tip, $("timeline-box"), toX(Math.max(start, view.from), canvas.clientWidth), selected.row * ROW);
    draw();
  };
  canvas.addEventListener("keydown", (e) => {
    const keys = { ArrowLeft: actions.left, ArrowRight: actions.right, "+": actions.in, "=": actions.in, "-": actions.out,
      0: actions.all, Home: actions.all, n: () => step(1), p: () => step(-1), N: () => step(1), P: () => step(-1),
      Escape: () => { selected = null; tip.hidden = true; draw(); } };
    if (e.ctrlKey || e.altKey || e.metaKey || !keys[e.key]) return;
    e.preventDefault();
    keys[e.key]();
  });
  memory.addEventListener("pointermove", (e) => {
    const t = toTime(e.offsetX, memory.clientWidth);
    let lo = 0, hi = points.length / 3;
    while (lo < hi) { const mid = (lo + hi) >> 1; if (points[3 * mid] <= t) lo = mid + 1; else hi = mid; }
    const at = 3 * (lo - 1);
    memoryTip.textContent = at < 0 ? `${time(t)}: nothing held` : `${time(t)}: ${bytes(points[at + 1])} held, ${bytes(points[at + 2])} planned at most`;
    place(memoryTip, $("memory-box"), e.offsetX, e.offsetY);
  });
  memory.addEventListener("pointerleave", () => { memoryTip.hidden = true; });

  // ---- legend
  for (const op of data.ops) {
    const item = document.createElement("li"), swatch = document.createElement("i");
    swatch.style.background = op.color;
    item.append(swatch, op.name);
    $("legend").append(item);
  }

  // ---- tables that sort
  document.querySelectorAll("table.sorts").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const rises = head.getAttribute("aria-sort") === "descending" || (column === 0 && !head.hasAttribute("aria-sort"));
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", rises ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const numeric = column > 0;
      const body = table.tBodies[0];
      const list = [...body.rows].sort((a, b) => numeric ? key(a) - key(b) : key(a).localeCompare(key(b)));
      if (!rises) list.reverse();
      body.append(...list);
    }));
  });

  new ResizeObserver(draw).observe($("timeline-box"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  drawTimeline();
  drawMemory();
  document.documentElement.dataset.ready = "yes";
})();
