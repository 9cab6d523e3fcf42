/* Every tissue value with what it rests on. */
const Sources = (() => {
  const at = (data, key, field) => {
    const tissue = data.tissues[key];
    const rows = tissue.known.filter(([, low, high]) => field >= low - 1e-9 && field <= high + 1e-9);
    const names = [...new Set(tissue.known.map(([name]) => name))];
    return names.map((name) => {
      const inside = rows.filter((row) => row[0] === name);
      // a field between two nodes takes what is said of the node nearest to it
      const near = (row) => Math.min(Math.abs(Math.log(row[1] / field)), Math.abs(Math.log(row[2] / field)));
      const all = tissue.known.filter((row) => row[0] === name);
      return inside[0] || all.sort((a, b) => near(a) - near(b))[0];
    });
  };

  const value = (data, key, field, name) => {
    const tissue = data.tissues[key];
    const pool = tissue.pools[name.endsWith("of fat") ? "fat" : "water"];
    if (!pool) return "";
    const [, t1, t2, r2p] = Tables.pool(pool, data.fields, field);
    const kind = name.replace(" of fat", "");
    const times = { T1: t1, T2: t2, "T2*": Formula.t2_star(t2, r2p) };
    return kind in times ? Text.ms(1000 * times[kind]) : "";
  };

  const html = (data, key, field) => {
    const [low, high] = data.tissues[key].range;
    const rows = at(data, key, field).map(([name, , , share, source, provenance, own]) => `<tr><th scope="row">${name}</th><td>${own === null ? value(data, key, field, name) : Text.digits(own)}</td><td>± ${Text.digits(100 * share)} %</td><td>${Charts.escape(data.texts[source])}</td><td>${Charts.escape(data.texts[provenance])}</td></tr>`);
    return `<h3>${Text.tissue(key)} at ${Text.digits(field, 4)} T</h3><p class="quiet">Known from ${Text.digits(low)} to ${Text.digits(high)} T.</p><div class="scroll"><table class="numbers"><thead><tr><th>what</th><th>value</th><th>spread</th><th>source</th><th>how it is known</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
  };

  const show = (data, s) => {
    const dialog = document.getElementById("sources");
    const keys = [...Picture.labels(data, s.grade).tissues].reverse();
    document.getElementById("sources-text").innerHTML = keys.map((key) => html(data, key, s.field)).join("");
    dialog.showModal();
  };

  return { show, html, at };
})();
