/* Charts as SVG text: curves with points, and bars with numbers. */
const Charts = (() => {
  const COLOURS = ["#3b82c4", "#d6604d", "#1b9e77", "#9a86d8", "#c9921a", "#c25b97", "#8a8f98", "#3aa0c8", "#7c9a3b", "#b07a5a"];
  const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]));

  const nice = (top) => {
    const power = 10 ** Math.floor(Math.log10((top || 1) / 4));
    const step = [1, 2, 2.5, 5, 10].find((k) => top / (k * power) <= 4) || 10;
    return step * power;
  };

  /* lines: [{name, colour, points: [[x, y]], dots: bool}] */
  const curves = ({ title, x, y, lines, mark }) => {
    const [w, h, left, bottom, top, right] = [360, 190, 40, 30, 10, 8];
    const all = lines.flatMap((line) => line.points).filter(([, v]) => Number.isFinite(v));
    const x1 = Math.max(...all.map(([a]) => a), 1e-9);
    const y1 = Math.max(...all.map(([, b]) => b), 1e-9);
    const y0 = Math.min(0, ...all.map(([, b]) => b));
    const px = (v) => left + v / x1 * (w - left - right);
    const py = (v) => h - bottom - (v - y0) / (y1 - y0) * (h - bottom - top);
    const parts = [];
    for (let v = 0; v <= x1 * 1.0001; v += nice(x1)) {
      parts.push(`<text x="${px(v)}" y="${h - bottom + 14}" class="tick" text-anchor="middle">${Text.digits(v)}</text>`);
    }
    for (let v = Math.ceil(y0 / nice(y1 - y0)) * nice(y1 - y0); v <= y1 * 1.0001; v += nice(y1 - y0)) {
      parts.push(`<line class="grid" x1="${left}" x2="${w - right}" y1="${py(v)}" y2="${py(v)}"/>`,
        `<text x="${left - 5}" y="${py(v) + 3}" class="tick" text-anchor="end">${Text.digits(v, 2)}</text>`);
    }
    if (mark !== undefined && mark <= x1) parts.push(`<line class="mark" x1="${px(mark)}" x2="${px(mark)}" y1="${top}" y2="${h - bottom}"/>`);
    for (const line of lines) {
      const kept = line.points.filter(([, v]) => Number.isFinite(v));
      if (!line.dots) parts.push(`<polyline fill="none" stroke="${line.colour}" stroke-width="1.8" points="${kept.map(([a, b]) => `${px(a).toFixed(1)},${py(b).toFixed(1)}`).join(" ")}"/>`);
      else kept.forEach(([a, b]) => parts.push(`<circle cx="${px(a).toFixed(1)}" cy="${py(b).toFixed(1)}" r="2.6" fill="${line.colour}"/>`));
    }
    parts.push(`<text x="${(w + left) / 2}" y="${h - 2}" class="tick" text-anchor="middle">${escape(x)}</text>`,
      `<text transform="translate(10 ${(h - bottom) / 2 + top}) rotate(-90)" class="tick" text-anchor="middle">${escape(y)}</text>`);
    const legend = lines.filter((line) => !line.dots)
      .map((line) => `<span><i style="background:${line.colour}"></i>${escape(line.name)}</span>`).join("");
    const spoken = lines.filter((line) => !line.dots).map((line) => line.name).join(", ");
    return `<svg viewBox="0 0 ${w} ${h}" role="img" aria-label="${escape(`${title}: ${spoken}`)}">${parts.join("")}</svg><div class="legend">${legend}</div>`;
  };

  /* rows: [{name, value, text, colour}] */
  const bars = (title, rows) => {
    const most = Math.max(...rows.map((row) => (Number.isFinite(row.value) ? row.value : 0)), 1e-9);
    return `<table class="bars"><caption>${escape(title)}</caption><tbody>${rows.map((row) => `<tr><th scope="row">${escape(row.name)}</th><td><b style="width:${Math.max(0, 100 * (row.value / most || 0)).toFixed(1)}%;background:${row.colour}"></b></td><td class="number">${escape(row.text)}</td></tr>`).join("")}</tbody></table>`;
  };

  const table = (title, rows) => `<table class="facts"><caption>${escape(title)}</caption><tbody>${rows.map(([name, value, note]) => `<tr><th scope="row">${escape(name)}</th><td class="number">${escape(value)}</td><td class="note">${escape(note || "")}</td></tr>`).join("")}</tbody></table>`;

  return { COLOURS, curves, bars, table, escape };
})();
