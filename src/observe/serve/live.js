"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const time = (s) => s >= 120 ? `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`
    : s >= 1 ? `${s.toFixed(1)} s` : s >= 1e-3 ? `${(s * 1e3).toFixed(0)} ms` : `${(s * 1e6).toFixed(0)} µs`;
  const bytes = (n) => {
    if (n < 1024) return `${n} bytes`;
    let u = 0;
    for (; n >= 1024 && u < 4; u++) n /= 1024;
    return `${n.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][u]}`;
  };

  // Only the last minute is kept.
  const KEPT = 60, MOST = 20000;
  let ops = [], spans = [], running = [], memory = [], latest = null, offset = 0, missed = 0, threads = 1, drawn = -1;

  const prepare = (canvas, height) => {
    const width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const g = canvas.getContext("2d");
    g.scale(scale, scale);
    g.font = `12px ${css("--font")}`;
    return [g, width];
  };
  const LEFT = 96;
  const clock = () => performance.now() / 1000 - offset;
  const seconds = () => Number($("span").value);

  const drawStream = (now) => {
    // Tasks that are running reach to now, and have a lighter tail.
    const open = running.map((task) => ({ ...task, end: now }));
    const shown = spans.filter((span) => span.end >= now - seconds()).concat(open);
    const rows = Math.max(threads, ...shown.map((span) => span.worker + 1));
    const ROW = Math.max(10, Math.min(26, 320 / rows));
    const [g, width] = prepare($("stream"), rows * ROW + 8);
    const x = (t) => LEFT + (1 - (now - t) / seconds()) * (width - LEFT - 8);
    for (let row = 0; row < rows; row++) {
      g.fillStyle = css("--idle");
      g.fillRect(LEFT, row * ROW + 6, width - LEFT - 8, ROW - 4);
      g.fillStyle = css("--ink"); g.textAlign = "right";
      if (ROW >= 13 || row % 2 === 0) g.fillText(row < threads ? `thread ${row}` : "calling threads", LEFT - 8, row * ROW + ROW / 2 + 8);
    }
    for (const span of shown) {
      const x0 = Math.max(LEFT, x(span.start)), x1 = Math.min(width - 8, x(span.end));
      g.fillStyle = span.failed ? css("--budget") : (ops[span.op] || { color: "#7d6f62" }).color;
      g.globalAlpha = span.open ? 0.6 : 1;
      g.fillRect(x0, span.worker * ROW + 6, Math.max(0.75, x1 - x0 - (x1 - x0 > 4 ? 1 : 0)), ROW - 4);
      g.globalAlpha = 1;
    }
    $("missed").textContent = missed ? `${missed} tasks came too fast to be drawn.` : "";
  };

  const drawMemory = (now) => {
    const height = 150, top = 18, bottom = height - 10;
    const [g, width] = prepare($("memory"), height);
    const x = (t) => LEFT + (1 - (now - t) / seconds()) * (width - LEFT - 8);
    const shown = memory.filter((point) => point.time >= now - seconds() - 2);
    let most = 1;
    for (const point of shown) most = Math.max(most, point.held, point.planned);
    const budget = latest ? latest.budget : 0, within = budget > 0 && budget <= 6 * most;
    if (within) most = Math.max(most, budget);
    $("budget-off").textContent = budget ? ` (${bytes(budget)}${within ? "" : ", its line is not to scale"})` : "";
    const y = (n) => bottom - n / most * (bottom - top);
    g.fillStyle = css("--soft"); g.textAlign = "right";
    for (const part of [0, 1]) g.fillText(bytes(Math.round(most * part)), LEFT - 8, y(most * part) + 4);
    g.save();
    g.beginPath(); g.rect(LEFT, 0, width - LEFT - 8, height); g.clip();
    for (const [key, color, dash] of [["held", "--held", []], ["planned", "--planned", [6, 4]]]) {
      g.beginPath();
      shown.forEach((point, at) => at ? g.lineTo(x(point.time), y(point[key])) : g.moveTo(x(point.time), y(point[key])));
      g.strokeStyle = css(color); g.lineWidth = 1.8; g.setLineDash(dash); g.stroke();
    }
    g.setLineDash([]);
    if (budget) {
      const at = within ? y(budget) : 4;
      g.strokeStyle = css("--budget"); g.lineWidth = 2; g.setLineDash(within ? [] : [2, 4]);
      g.beginPath(); g.moveTo(LEFT, at); g.lineTo(width, at); g.stroke(); g.setLineDash([]);
    }
    g.restore();
  };

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  // Cards are changed in place, so that a screen reader keeps its.
  const cards = new Map();
  const showRuns = (runs, now) => {
    if (!runs.length) return;
    const box = $("runs");
    const order = runs.map((run) => {
      let card = cards.get(run.run);
      if (!card) {
        const root = element("div", undefined, { class: "run" });
        const title = element("h3", run.name), text = element("span");
        title.append(text);
        const bar = element("progress", undefined, { max: "1", value: "0", "aria-label": `Progress of ${run.name}` });
        const error = element("p", "", { class: "error" });
        root.append(title, bar, error);
        card = { root, text, bar, error };
        cards.set(run.run, card);
      }
      const total = Math.max(run.tasks, run.done, 1), elapsed = (run.ended ?? now) - run.began;
      const left = run.done ? elapsed * (total - run.done) / run.done : 0;
      if (run.tasks || run.ended !== null) card.bar.value = run.done / total;
      else card.bar.removeAttribute("value");
      const end = run.ended === null ? (run.done && run.done < total ? `, ${time(left)} left` : "") : run.ok ? ", done" : ", ended early";
      card.text.textContent = `${run.tasks ? `${run.done} of ${total}` : run.done} tasks, ${time(Math.max(0, elapsed))}${end}`
        + (run.spilled ? `, ${bytes(run.spilled)} spilled` : "");
      card.root.classList.toggle("failed", !run.ok);
      card.error.textContent = run.error ?? "";
      return card.root;
    });
    if (order.some((root, at) => box.children[at] !== root) || box.children.length !== order.length) box.replaceChildren(...order);
    for (const [number] of cards) if (!runs.some((run) => run.run === number)) cards.delete(number);
  };

  const showPlan = (runs) => {
    const run = runs.find((run) => run.ended === null) || runs[0];
    if (!run) return;
    if (drawn !== run.run) {
      drawn = run.run;
      $("plan").src = `/plan/${run.run}.svg`;
      $("plan").alt = `Plan of ${run.name}: ${run.stages.map((stage) => stage.name).join(", ")}`;
      $("plan").hidden = false;
      $("no-plan").hidden = true;
      $("stages").replaceChildren(...run.stages.map((stage, at) => {
        const row = element("tr");
        const bar = element("progress", undefined, { max: String(Math.max(1, stage.tasks)), value: "0", "aria-label": `Progress of ${stage.name}` });
        const cell = element("td");
        cell.append(bar);
        row.append(element("td", `${at + 1}. ${stage.name}`), element("td", String(stage.tasks)), element("td", "0"), cell);
        return row;
      }));
    }
    run.stages.forEach((stage, at) => {
      const row = $("stages").rows[at];
      row.cells[2].textContent = String(stage.done);
      row.querySelector("progress").value = stage.done;
    });
  };

  let waiting = false;
  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; const now = clock(); drawStream(now); drawMemory(now); });
  };

  const take = (message) => {
    latest = message;
    offset = performance.now() / 1000 - message.time;
    threads = message.threads;
    missed += message.missed;
    for (const op of message.ops) {
      ops.push(op);
      const item = element("li"), swatch = element("i");
      swatch.style.background = op.color;
      item.append(swatch, op.name);
      $("legend").append(item);
    }
    for (let i = 0; i < message.spans.length; i += 5) {
      const [worker, op, start, length, failed] = message.spans.slice(i, i + 5);
      spans.push({ worker, op, start, end: start + length, failed: failed === 1 });
    }
    running = [];
    for (let i = 0; i < message.open.length; i += 3) {
      const [worker, op, start] = message.open.slice(i, i + 3);
      running.push({ worker, op, start, failed: false, open: true });
    }
    memory.push({ time: message.time, held: message.held, planned: message.planned });
    const oldest = message.time - KEPT;
    spans = spans.filter((span) => span.end >= oldest).slice(-MOST);
    memory = memory.filter((point) => point.time >= oldest);
    const active = message.runs.filter((run) => run.ended === null);
    $("headline").textContent = active.length ? active.map((run) => run.name).join(", ") : "Nothing is running";
    $("fact-runs").textContent = `${active.length} running, ${message.runs.length} shown`;
    $("fact-tasks").textContent = message.runs.reduce((sum, run) => sum + run.done + run.failed, 0).toString();
    $("fact-memory").textContent = `${bytes(message.held)} held, ${bytes(message.planned)} planned, budget ${bytes(message.budget)}`;
    $("fact-threads").textContent = String(message.threads);
    showRuns(message.runs, message.time);
    showPlan(message.runs);
    draw();
    document.documentElement.dataset.messages = String(1 + Number(document.documentElement.dataset.messages || 0));
  };

  const state = (name, text) => {
    if ($("connection").dataset.state === name) return;
    $("connection").dataset.state = name;
    $("connection").textContent = text;
  };
  const connect = () => {
    const events = new EventSource("/events");
    // The server tells everything to whoever connects anew.
    events.onopen = () => { ops = []; running = []; spans = []; missed = 0; $("legend").replaceChildren(); state("open", "Connected: the page follows what runs."); };
    events.onmessage = (event) => take(JSON.parse(event.data));
    events.onerror = () => { running = []; draw(); state("lost", "The process does not answer: it has ended, or serves no more. What is shown is the last that was heard."); };
  };
  $("span").addEventListener("change", draw);
  new ResizeObserver(draw).observe($("stream"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  connect();
})();
