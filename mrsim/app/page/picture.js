/* The simulated image: every pixel is the mean of the half-millimetre cells under it, fat displaced, with noise. */
const Picture = (() => {
  let noise = null;

  const labels = (data, grade) => {
    const anatomy = data.anatomy.grades[grade];
    if (!anatomy.cells) {
      const cells = new Uint8Array(data.anatomy.shape[0] * data.anatomy.shape[1]);
      let at = 0;
      for (let i = 0; i < anatomy.runs.length; i += 2) {
        cells.fill(anatomy.runs[i], at, at + anatomy.runs[i + 1]);
        at += anatomy.runs[i + 1];
      }
      anatomy.cells = cells;
    }
    return anatomy;
  };

  /* Unit normal numbers, always the same: what changes between two pictures is the setting, not the dice. */
  const normals = (count) => {
    if (noise && noise.length >= count) return noise;
    let state = 12345;
    const uniform = () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
    noise = new Float32Array(count + 1);
    for (let i = 0; i < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      noise[i] = radius * Math.cos(angle);
      noise[i + 1] = radius * Math.sin(angle);
    }
    return noise;
  };

  /* Add the cells' signals into pixels, displaced by (dx, dy) pixels. */
  const paint = (out, count, anatomy, shape, [nx, ny], signals, dx, dy) => {
    const [rows, columns] = shape;
    const column = new Int32Array(columns);
    for (let c = 0; c < columns; c += 1) column[c] = Math.floor((c + 0.5) * nx / columns + dx);
    for (let r = 0; r < rows; r += 1) {
      const y = ((Math.floor((r + 0.5) * ny / rows + dy) % ny) + ny) % ny;
      for (let c = 0; c < columns; c += 1) {
        const signal = signals[anatomy.cells[r * columns + c]];
        if (!signal) continue;
        const x = ((column[c] % nx) + nx) % nx;
        out[2 * (y * nx + x)] += signal[0] / count;
        out[2 * (y * nx + x) + 1] += signal[1] / count;
      }
    }
  };

  /* Magnitudes (ny * nx) of an image. */
  const magnitudes = (data, s, tissues, facts, image) => {
    const anatomy = labels(data, s.grade);
    const { nx, ny, sigma, shifts } = facts;
    const shape = data.anatomy.shape;
    const count = shape[0] * shape[1] / (nx * ny);
    const out = new Float64Array(2 * nx * ny);
    const of = (part) => [null, ...anatomy.tissues.map((key) => {
      const [re, im] = tissues[key][part][image];
      return Number.isFinite(re) && Math.hypot(re, im) > 0 ? [re, im] : null;
    })];
    paint(out, count, anatomy, shape, [nx, ny], of("water"), 0, 0);
    paint(out, count, anatomy, shape, [nx, ny], of("fat"), shifts.fatRead, shifts.fatPhase);
    const dice = normals(2 * nx * ny);
    return Float64Array.from({ length: nx * ny }, (_, i) => Math.hypot(
      out[2 * i] + sigma * dice[2 * i], out[2 * i + 1] + sigma * dice[2 * i + 1]));
  };

  const draw = (canvas, values, nx, ny, white) => {
    canvas.width = nx;
    canvas.height = ny;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(nx, ny);
    for (let y = 0; y < ny; y += 1) {
      for (let x = 0; x < nx; x += 1) {
        const grey = Math.min(255, 255 * values[(ny - 1 - y) * nx + x] / white);
        const at = 4 * (y * nx + x);
        pixels.data[at] = grey;
        pixels.data[at + 1] = grey;
        pixels.data[at + 2] = grey;
        pixels.data[at + 3] = 255;
      }
    }
    context.putImageData(pixels, 0, 0);
  };

  return { magnitudes, draw, labels };
})();
