/* What a fit makes of a tissue's images: bias, and the least standard deviation (Cramer-Rao). */
const Precision = (() => {
  const DETAILS = {
    "t2-mono": { columns: ["te"], scale: 1e3, unit: "ms", symbol: "T2" },
    "t2star-mono": { columns: ["te"], scale: 1e3, unit: "ms", symbol: "T2*" },
    spgr: { columns: ["flip", "tr", "b1"], scale: 1e3, unit: "ms", symbol: "T1" },
    "inversion-recovery": { columns: ["ti", "tr", "te", "inversion"], scale: 1e3, unit: "ms", symbol: "T1" },
  };

  const rows = (model, s, images) => images.map((image) => {
    const known = { ...image, tr: s.tr / 1000, b1: 1, inversion: Math.PI };
    return DETAILS[model].columns.map((name) => known[name]);
  });

  const name = (model) => model.replace(/-/g, "_");
  const value = (model, p, row) => Formula[name(model)](...p, ...row);
  const slopes = (model, p, row) => Formula[`${name(model)}_slopes`](...p, ...row);

  const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);

  /* Normal matrix of two parameters. */
  const information = (model, p, table) => {
    const j = table.map((row) => slopes(model, p, row));
    const column = (k) => j.map((row) => row[k]);
    const [a, b] = [column(0), column(1)];
    return { aa: dot(a, a), ab: dot(a, b), bb: dot(b, b), a, b };
  };

  /* Bound of the second parameter. */
  const bound = (model, p, table, sigma) => {
    const f = information(model, p, table);
    const determinant = f.aa * f.bb - f.ab * f.ab;
    return determinant > 1e-12 * f.aa * f.bb ? sigma * Math.sqrt(f.aa / determinant) : Infinity;
  };

  const best = (model, time, table, data) => {
    const shape = table.map((row) => value(model, [1, time], row));
    const size = dot(shape, shape);
    const m0 = size > 0 ? dot(shape, data) / size : 0;
    const left = data.map((v, i) => v - m0 * shape[i]);
    return { m0, error: dot(left, left) };
  };

  const RANGE = [1e-3, 10]; // s
  /* Least squares: the amplitude is linear; the time is bracketed on a grid and refined by golden section. */
  const fit = (model, table, data) => {
    const times = Array.from({ length: 60 }, (_, k) => RANGE[0] * (RANGE[1] / RANGE[0]) ** (k / 59));
    const errors = times.map((t) => best(model, t, table, data).error);
    const k = errors.indexOf(Math.min(...errors));
    let [a, b] = [Math.log(times[Math.max(0, k - 1)]), Math.log(times[Math.min(59, k + 1)])];
    const g = (Math.sqrt(5) - 1) / 2;
    let [c, d] = [b - g * (b - a), a + g * (b - a)];
    const at = (x) => best(model, Math.exp(x), table, data).error;
    let [fc, fd] = [at(c), at(d)];
    for (let i = 0; i < 60; i += 1) {
      if (fc < fd) {
        [b, d, fd] = [d, c, fc];
        c = b - g * (b - a);
        fc = at(c);
      } else {
        [a, c, fc] = [c, d, fd];
        d = a + g * (b - a);
        fd = at(d);
      }
    }
    const time = Math.exp((a + b) / 2);
    if (time < RANGE[0] * 1.001 || time > RANGE[1] / 1.001) return [NaN, NaN]; // the images do not say
    return [best(model, time, table, data).m0, time];
  };

  /* {truth, fitted, bound, perRootMinute} in s of a tissue, or null where the sequence fits nothing. */
  const of = (data, s, found, facts) => {
    const sequence = data.sequences[s.sequence];
    const { model } = sequence;
    const water = found.pools.filter((pool) => !pool.fat);
    if (!model || water.length !== 1 || found.pools.length !== 1) return null;
    const pool = water[0];
    const truths = { t1: pool.t1, t2: pool.t2, t2_star: Formula.t2_star(pool.t2, pool.r2p) };
    const truth = truths[sequence.parameter];
    const table = rows(model, s, found.images);
    const signed = model === "inversion-recovery";
    const seen = found.total.map((v) => Formula.noisy_magnitude(v, facts.sigma));
    if (!seen.every(Number.isFinite)) return null;
    const shape = table.map((row) => value(model, [1, truth], row));
    const like = found.total.map((v, i) => (shape[i] < 0 ? -v : v));
    const m0 = Math.abs(dot(shape, like)) / dot(shape, shape);
    const least = bound(model, [m0, truth], table, facts.sigma);
    const recovered = Math.sign(found.signed[found.signed.length - 1]) || 1; // the longest TI is positive
    const [, fitted] = fit(model, table, signed ? found.signed.map((v) => recovered * v) : seen);
    return { truth, fitted, bound: least, perRootMinute: least * Math.sqrt(facts.time / 60), ...DETAILS[model] };
  };

  return { of, fit, bound, rows, DETAILS };
})();
