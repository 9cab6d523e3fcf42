/* Signals of a tissue in every image of a setting, proton density units. */
const Signal = (() => {
  const DEG = Math.PI / 180;
  const GRID = (data) => ({ count: data.places, reach: data.reach });

  /* The images' own te, ti (s) and flip (rad). */
  const images = (data, s) => {
    const sequence = data.sequences[s.sequence];
    const own = (name, k) => (sequence.multiples[name] ? sequence.multiples[name][k] : 1);
    return Array.from({ length: sequence.images }, (_, k) => ({
      te: s.te * own("te", k) / 1000,
      ti: (s.ti || 0) * own("ti", k) / 1000,
      flip: s.flip * own("flip", k) * DEG,
    }));
  };

  /* Pools of a tissue at a field: water and the peaks of fat, each with the offset in Hz. */
  const pools = (data, key, field) => {
    const tissue = data.tissues[key];
    const found = [];
    for (const [name, packed] of Object.entries(tissue.pools)) {
      const [pd, t1, t2, r2p] = Tables.pool(packed, data.fields, field);
      const peaks = name === "fat" ? tissue.peaks : [[tissue.shift * 1e6, 1]];
      for (const [ppm, share] of peaks) {
        found.push({ fat: name === "fat", pd: pd * share, t1, t2, r2p, offset: Formula.frequency_of(ppm, field) });
      }
    }
    return found;
  };

  const trapezoid = (values, step) => {
    let sum = 0;
    for (let i = 0; i < values.length; i += 1) sum += values[i];
    return step * (sum - (values[0] + values[values.length - 1]) / 2);
  };

  /* Profiles of a sequence's pulses for a flip and an offset; refocusing and inversion play their own flip. */
  const played = (data, s, use, flip, offset) => {
    const pulse = data.sequences[s.sequence].pulses[use];
    const { reach } = GRID(data);
    const share = use === "excitation" ? flip / pulse.flip : 1;
    const key = `${s.sequence}/${use}/${share.toFixed(6)}/${offset.toFixed(3)}`;
    const cache = data.profiles || (data.profiles = new Map());
    if (!cache.has(key)) {
      if (cache.size > 400) cache.clear();
      cache.set(key, Tables.profile(pulse.profile, share, Formula.slice_shift(offset, pulse.bandwidth), reach));
    }
    return cache.get(key);
  };

  const MAKE = {
    train(data, s, pool, list) {
      const table = data.sequences[s.sequence].train;
      if (9 * pool.t2 < Math.min(...list.map((image) => image.te))) return list.map(() => [0, 0]); // below 1.3e-4 of M0
      const at = { t1: pool.t1, t2: pool.t2, te: s.te / 1000, tr: s.tr / 1000, flip: s.flip * DEG };
      if (!table.decay) {
        const echoes = Tables.train(table, at);
        return list.map((_, k) => (echoes === null ? [NaN, 0] : [echoes[k], 0]));
      }
      return list.map((image) => {
        const found = Tables.train(table, { ...at, te: image.te });
        return found === null ? [NaN, 0] : [found[0] * Formula.free_decay(image.te, pool.t2, 0), 0];
      });
    },
    inversion(data, s, pool, list) {
      const ex = played(data, s, "excitation", s.flip * DEG, pool.offset);
      const re = played(data, s, "refocusing", 0, pool.offset);
      const inv = played(data, s, "inversion", 0, pool.offset);
      return list.map((image) => {
        const values = ex.cos.map((c, i) => {
          const heard = re.re[i] * ex.re[i] + re.im[i] * ex.im[i];
          return Formula.inversion_steady(
            inv.cos[i], c, re.cos[i], heard, pool.t1, pool.t2, image.ti, image.te, s.tr / 1000);
        });
        return [trapezoid(values, ex.step), 0];
      });
    },
    spoiled(data, s, pool, list) {
      return list.map((image) => {
        const ex = played(data, s, "excitation", image.flip, pool.offset);
        const size = ex.cos.map((c, i) => {
          const flip = Math.atan2(Math.hypot(ex.re[i], ex.im[i]), c);
          return flip > 1e-9 ? Formula.spoiled_steady(flip, pool.t1, s.tr / 1000) / Math.sin(flip) : 0;
        });
        const decay = Formula.free_decay(image.te, pool.t2, pool.r2p);
        const re = trapezoid(size.map((v, i) => v * ex.re[i]), ex.step) * decay;
        const im = trapezoid(size.map((v, i) => v * ex.im[i]), ex.step) * decay;
        return turned(re, im, -2 * Math.PI * pool.offset * image.te);
      });
    },
  };

  const turned = (re, im, phase) => [
    re * Math.cos(phase) - im * Math.sin(phase), re * Math.sin(phase) + im * Math.cos(phase),
  ];

  /* {water: [[re, im] per image], fat: ..., total: [magnitude]} of a tissue; NaN outside what the tables know. */
  const tissue = (data, s, key) => {
    const list = images(data, s);
    const parts = { water: list.map(() => [0, 0]), fat: list.map(() => [0, 0]) };
    const own = pools(data, key, s.field);
    const make = MAKE[data.sequences[s.sequence].signal];
    const shared = data.sequences[s.sequence].signal === "train"; // offsets do not enter the table: one call a pool
    let first = null;
    for (const pool of own) {
      const values = shared && pool.fat && first ? first : make(data, s, pool, list);
      if (shared && pool.fat) first = values;
      values.forEach(([re, im], k) => {
        const part = parts[pool.fat ? "fat" : "water"][k];
        part[0] += pool.pd * re;
        part[1] += pool.pd * im;
      });
    }
    const total = list.map((_, k) => [parts.water[k][0] + parts.fat[k][0], parts.water[k][1] + parts.fat[k][1]]);
    const signed = total.map(([re, im]) => (im === 0 ? re : Math.hypot(re, im)));
    return { ...parts, total: total.map(([re, im]) => Math.hypot(re, im)), signed, pools: own, images: list };
  };

  return { images, pools, tissue, DEG };
})();
