// A sequence diagram that can be zoomed: wheel or + and - to zoom, drag or arrow keys to move, 0 to reset.
(function () {
  "use strict";
  const box = document.currentScript.closest("figure");
  const data = JSON.parse(box.querySelector("script[type='application/json']").textContent);
  const canvas = box.querySelector("canvas"), word = box.querySelector("output"), pen = canvas.getContext("2d");
  const ink = "#1d2733", quiet = "#7b8794", hair = "#e3e8ec";
  const left = 92, bottom = 26, top = 8, gap = 7;
  // the pulses as two rows of steps, from the distinct shapes and the places where each is played
  const size = { name: "RF", unit: "µT", colour: data.rf.colour, step: true, t: [], v: [] };
  const angle = { name: "RF phase", unit: "deg", colour: data.rf.colour, step: true, t: size.t, v: [] };
  for (const [start, n] of data.rf.plays) {
    const [dwell, sizes, angles] = data.rf.shapes[n];
    for (let i = 0; i <= sizes.length; i++) {
      size.t.push(start + i * dwell);
      size.v.push(i < sizes.length ? sizes[i] : null);
      angle.v.push(i < sizes.length ? angles[i] : null);
    }
  }
  data.rows.unshift(size, angle);
  for (const row of data.rows) {
    row.low = row.v.reduce((a, b) => Math.min(a, b === null ? 0 : b), 0);
    row.high = row.v.reduce((a, b) => Math.max(a, b === null ? 0 : b), 0);
  }
  let [from, to] = data.view, width = 0, height = 0, cursor = null;

  const x = (t) => left + (t - from) / (to - from) * (width - left - 8);
  const time = (px) => from + (px - left) / (width - left - 8) * (to - from);
  // first index of a sorted list whose value is not below t
  function at(list, t) {
    let low = 0, high = list.length;
    while (low < high) { const mid = (low + high) >> 1; if (list[mid] < t) low = mid + 1; else high = mid; }
    return low;
  }
  function value(row, t) {
    const i = at(row.t, t);
    if (i === 0 || i === row.t.length) return null;
    if (row.step) return row.v[i - 1];
    const a = row.t[i - 1], b = row.t[i], u = b > a ? (t - a) / (b - a) : 0;
    return row.v[i - 1] + u * (row.v[i] - row.v[i - 1]);
  }
  function fit() {
    const ratio = window.devicePixelRatio || 1;
    width = canvas.clientWidth; height = canvas.clientHeight;
    canvas.width = width * ratio; canvas.height = height * ratio;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
  }
  function nice(step) {
    const power = Math.pow(10, Math.floor(Math.log10(step)));
    return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= step);
  }
  function draw() {
    pen.clearRect(0, 0, width, height);
    pen.font = "11px system-ui, sans-serif";
    const tall = (height - bottom - top) / data.rows.length;
    const step = nice((to - from) / Math.max(width / 110, 2));
    pen.textAlign = "center";
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      pen.strokeStyle = hair; pen.beginPath(); pen.moveTo(x(t), top); pen.lineTo(x(t), height - bottom); pen.stroke();
      pen.fillStyle = quiet; pen.fillText(String(+(t / 1e6).toPrecision(9)), x(t), height - bottom + 13);
    }
    pen.fillText("time / ms", (width + left) / 2, height - 2);
    data.rows.forEach((row, n) => {
      const high = top + n * tall + gap, low = top + (n + 1) * tall;
      const span = row.high - row.low || 1, y = (v) => low - (v - row.low) / span * (low - high);
      pen.fillStyle = ink; pen.textAlign = "right";
      pen.fillText(row.name, left - 8, (high + low) / 2 - 2);
      pen.fillStyle = quiet; pen.fillText(row.unit, left - 8, (high + low) / 2 + 11);
      pen.strokeStyle = quiet; pen.lineWidth = 0.5;
      pen.beginPath(); pen.moveTo(left, y(0)); pen.lineTo(width - 8, y(0)); pen.stroke();
      pen.save();
      pen.beginPath(); pen.rect(left, high - gap, width - left - 8, low - high + gap); pen.clip();
      trace(row, y);
      pen.restore();
    });
    names(tall);
    if (cursor !== null) {
      pen.strokeStyle = quiet; pen.lineWidth = 0.7;
      pen.beginPath(); pen.moveTo(x(cursor), top); pen.lineTo(x(cursor), height - bottom); pen.stroke();
    }
  }
  function trace(row, y) {
    const first = Math.max(at(row.t, from) - 1, 0), last = Math.min(at(row.t, to) + 1, row.t.length);
    pen.strokeStyle = row.colour; pen.lineWidth = 1.2;
    pen.beginPath();
    let started = false, column = -1, least = 0, most = 0;
    const flush = () => { if (column >= 0 && most > least) { pen.moveTo(column, y(least)); pen.lineTo(column, y(most)); } };
    const dense = last - first > 4 * width;   // more knots than pixels: one stroke from least to most per pixel
    for (let i = first; i < last; i++) {
      if (row.v[i] === null) { started = false; continue; }
      const px = x(row.t[i]);
      if (dense) {
        const here = Math.round(px);
        if (here !== column) { flush(); column = here; least = most = row.v[i]; }
        least = Math.min(least, row.v[i], 0); most = Math.max(most, row.v[i], 0);
        continue;
      }
      if (!started) { pen.moveTo(px, y(row.v[i])); started = true; continue; }
      if (row.step) pen.lineTo(px, y(row.v[i - 1] === null ? row.v[i] : row.v[i - 1]));
      pen.lineTo(px, y(row.v[i]));
    }
    if (dense) flush();
    pen.stroke();
  }
  function names(tall) {
    pen.fillStyle = ink; pen.textAlign = "left";
    let free = left;
    for (const [start, end, name] of data.blocks) {
      if (end < from || start > to || !name) continue;
      const px = Math.max(x(start), left) + 2, room = pen.measureText(name).width;
      if (px < free || x(Math.min(end, to)) - px < room) continue;
      pen.fillText(name, px, top + tall * data.rows.length - 2); free = px + room + 6;
    }
  }
  function tell() {
    if (cursor === null) { word.textContent = ""; return; }
    const block = data.blocks.find(([start, end]) => cursor >= start && cursor < end);
    const parts = data.rows.map((row) => [row, value(row, cursor)]).filter(([, v]) => v !== null && v !== 0)
      .map(([row, v]) => row.name + " " + v.toPrecision(4) + " " + row.unit);
    word.textContent = (cursor / 1e6).toFixed(3) + " ms  " + (block ? block[2] + "  " : "") + parts.join("  ");
  }
  function zoom(factor, centre) {
    const span = Math.min(Math.max((to - from) * factor, 1e3), data.duration);
    const share = (centre - from) / (to - from);
    move(centre - share * span, span);
  }
  function move(start, span) {
    from = Math.min(Math.max(start, 0), data.duration - span); to = from + span; draw(); tell();
  }
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); zoom(Math.exp(e.deltaY / 400), time(e.offsetX)); }, { passive: false });
  canvas.addEventListener("pointerdown", (e) => canvas.setPointerCapture(e.pointerId));
  canvas.addEventListener("pointermove", (e) => {
    if (e.buttons) move(from - e.movementX / (width - left - 8) * (to - from), to - from);
    cursor = e.offsetX > left ? time(e.offsetX) : null; draw(); tell();
  });
  canvas.addEventListener("pointerleave", () => { cursor = null; draw(); tell(); });
  canvas.addEventListener("keydown", (e) => {
    const span = to - from, act = {
      "+": () => zoom(0.6, (from + to) / 2), "=": () => zoom(0.6, (from + to) / 2), "-": () => zoom(1 / 0.6, (from + to) / 2),
      ArrowLeft: () => move(from - span / 8, span), ArrowRight: () => move(from + span / 8, span),
      "0": () => move(0, data.duration), Home: () => move(0, span), End: () => move(data.duration - span, span),
    }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  box.querySelector("button").addEventListener("click", () => move(0, data.duration));
  new ResizeObserver(fit).observe(canvas);
  fit();
})();
