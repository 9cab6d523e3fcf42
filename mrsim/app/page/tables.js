/* Tables that travel with the page: decoding, and interpolation between their nodes. */
const Tables = (() => {
  const unpack = (packed) => {
    if (packed.array) return packed.array;
    const bytes = Uint8Array.from(atob(packed.f32), (c) => c.charCodeAt(0));
    packed.array = new Float32Array(bytes.buffer);
    return packed.array;
  };

  /* Place of x among ascending nodes: index of the lower one and the share of the way to the next. */
  const place = (nodes, x) => {
    let k = 0;
    while (k < nodes.length - 2 && nodes[k + 1] <= x) k += 1;
    const share = (x - nodes[k]) / (nodes[k + 1] - nodes[k]);
    return [k, Math.min(1, Math.max(0, share))];
  };

  /* Weights of nodes 0..3 at u: the cubic through all four (Lagrange). */
  const cubic = (u) => [
    -(u - 1) * (u - 2) * (u - 3) / 6, u * (u - 2) * (u - 3) / 2,
    -u * (u - 1) * (u - 3) / 2, u * (u - 1) * (u - 2) / 6,
  ];

  /* First of the four nodes around x on an axis, and their weights; null outside the axis. */
  const four = (axis, x) => {
    const [low, high, at] = [axis.low, axis.high, x].map((v) => (axis.log ? Math.log(v) : v));
    const spot = (at - low) / (high - low) * (axis.count - 1);
    if (!(spot > -1e-6 && spot < axis.count - 1 + 1e-6)) return null;
    const first = Math.min(Math.max(Math.floor(spot) - 1, 0), axis.count - 4);
    return [first, cubic(spot - first)];
  };

  /* The table with its outermost axis gone: the weighted sum of four of its slabs. */
  const contracted = (values, [first, weights], count) => {
    const stride = values.length / count;
    const out = new Float64Array(stride);
    for (let k = 0; k < 4; k += 1) {
      const from = (first + k) * stride;
      for (let i = 0; i < stride; i += 1) out[i] += weights[k] * values[from + i];
    }
    return out;
  };

  /* Entries of an echo train's table at a point {t1, t2, te, tr, flip}; null outside the table.
     What all tissues share, flip and TR, is kept from call to call. */
  const train = (table, at) => {
    const axes = [...table.axes].reverse();
    const spots = axes.map((axis) => four(axis, at[axis.name]));
    if (spots.includes(null)) return null;
    const shared = 2;
    const key = axes.slice(0, shared).map((axis) => at[axis.name]).join("/");
    if (table.key !== key) {
      let values = unpack(table.values);
      for (let d = 0; d < shared; d += 1) values = contracted(values, spots[d], axes[d].count);
      Object.assign(table, { key, kept: values });
    }
    let found = table.kept;
    for (let d = shared; d < axes.length; d += 1) found = contracted(found, spots[d], axes[d].count);
    return found;
  };

  /* What a pulse does along the slice at an amplitude (share of the table's largest), moved by `shift` thicknesses. */
  const profile = (packed, amplitude, shift, reach) => {
    const values = unpack(packed);
    const [, levels, places] = packed.shape;
    const level = Math.min(Math.max(amplitude, 0), 1) * (levels - 1);
    const a = Math.min(Math.floor(level), levels - 2);
    const up = level - a;
    const step = 2 * reach / (places - 1);
    const rows = [0, 1, 2].map(() => new Float64Array(places));
    for (let i = 0; i < places; i += 1) {
      const spot = i - shift / step;
      const b = Math.floor(spot);
      const side = spot - b;
      for (let r = 0; r < 3; r += 1) {
        const outside = r === 0 ? 1 : 0; // beyond the table a pulse turns nothing
        const at = (l, p) => (p < 0 || p >= places ? outside : values[(r * levels + l) * places + p]);
        const low = (1 - side) * at(a, b) + side * at(a, b + 1);
        const high = (1 - side) * at(a + 1, b) + side * at(a + 1, b + 1);
        rows[r][i] = (1 - up) * low + up * high;
      }
    }
    return { cos: rows[0], re: rows[1], im: rows[2], step };
  };

  /* Value of a (bandwidth, pixel) table; NaN where a neighbour cannot be played. */
  const timing = (table, name, bandwidth, voxel) => {
    const values = unpack(table[name]);
    const columns = table.voxel.length;
    const inverse = (nodes, x) => { // times go with 1 / bandwidth and 1 / pixel
      const [k] = place(nodes, x);
      return [k, Math.min(1, Math.max(0, (1 / x - 1 / nodes[k]) / (1 / nodes[k + 1] - 1 / nodes[k])))];
    };
    const [i, u] = inverse(table.bandwidth, bandwidth);
    const [j, v] = inverse(table.voxel, voxel);
    const at = (k, l) => values[k * columns + l];
    return (1 - u) * ((1 - v) * at(i, j) + v * at(i, j + 1)) + u * ((1 - v) * at(i + 1, j) + v * at(i + 1, j + 1));
  };

  /* [pd, T1, T2, R2'] of a pool at a field, T: a line in ln over ln B between the nodes. */
  const pool = (packed, fields, field) => {
    const values = unpack(packed);
    const [k] = place(fields, field);
    const share = Math.log(field / fields[k]) / Math.log(fields[k + 1] / fields[k]);
    return [0, 1, 2, 3].map((row) => {
      const [a, b] = [values[row * fields.length + k], values[row * fields.length + k + 1]];
      return a > 0 && b > 0 ? a * (b / a) ** share : a + share * (b - a);
    });
  };

  return { unpack, place, cubic, train, profile, timing, pool };
})();
