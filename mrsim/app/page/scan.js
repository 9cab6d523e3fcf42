/* What a setting costs and gives: matrix, noise, time, SAR, shifts, precision. */
const Scan = (() => {
  const SLACK = 0.05e-3; // s: the shortest times are interpolated, and lie on rasters

  const matrix = (data, voxel) => data.fov.map((length) => 2 * Math.floor(length / (2 * voxel) + 0.5));

  const playedBandwidth = (data, bandwidth, points) => {
    const steps = Math.max(1, Math.floor(1 / (points * bandwidth * data.dwellStep) + 0.5));
    return 1 / (points * steps * data.dwellStep);
  };

  const facts = (data, s) => {
    const sequence = data.sequences[s.sequence];
    const [nx, ny] = matrix(data, s.voxel);
    const epi = s.sequence === "epi";
    const window = epi ? Tables.timing(sequence.timing, "window", s.bandwidth, s.voxel)
      : 1 / playedBandwidth(data, s.bandwidth, nx);
    const bandwidth = 1 / window;
    const acceleration = epi ? s.acceleration : 1;
    const lines = Math.ceil(ny / acceleration);
    const volume = data.fov[0] / nx * data.fov[1] / ny * s.thickness * 1e-9;
    const adc = lines * s.averages * window;
    const gain = Formula.field_gain(s.field);
    const sigma = Formula.noise_sigma(data.reference, gain, volume, adc);
    const tr = s.tr / 1000;
    const repetitions = epi ? s.averages + sequence.dummies : ny * s.averages + sequence.dummies;
    const time = repetitions * tr * sequence.series;
    return {
      nx, ny, bandwidth, window, lines, acceleration, volume, sigma, time, adc, gain,
      spacing: Tables.timing(sequence.timing, "spacing", s.bandwidth, s.voxel),
      sar: absorbed(data, s, time / sequence.series), shifts: shifts(data, s, bandwidth, ny, acceleration),
      minimum: minimum(data, s),
    };
  };

  const WINDOW = 360; // s
  /* Mean over the last six minutes of a series whose images come one after the other, `each` s long; of all if shorter. */
  const windowed = (values, each) => {
    let [left, sum] = [Math.min(WINDOW, values.length * each), 0];
    const length = left;
    for (let k = values.length - 1; k >= 0 && left > 0; k -= 1) {
      sum += values[k] * Math.min(each, left);
      left -= each;
    }
    return sum / length;
  };

  /* SAR of the whole body, W/kg: pulses scale with the square of their flip. */
  const absorbed = (data, s, each) => {
    const sequence = data.sequences[s.sequence];
    const flips = Signal.images(data, s).map((image) => image.flip);
    const own = sequence.multiples.flip ? Math.sqrt(windowed(flips.map((flip) => flip ** 2), each)) : s.flip * Signal.DEG;
    let energy = 0;
    for (const [use, pulse] of Object.entries(sequence.pulses)) {
      const turned = sequence.entries.flip ? "refocusing" : "excitation";
      const share = use === turned ? own / pulse.flip : 1;
      const count = use === "refocusing" && sequence.entries.flip ? sequence.images : 1;
      energy += count * pulse.energy * share * share;
    }
    return Formula.absorbed(energy, s.tr / 1000, data.absorption, s.field);
  };

  /* Displacement by the chemical shift of fat and by 1 ppm of the field. */
  const shifts = (data, s, bandwidth, ny, acceleration) => {
    const fat = Formula.frequency_of(-3.4, s.field);
    const ppm = Formula.frequency_of(1, s.field);
    const sequence = data.sequences[s.sequence];
    const slice = (f) => Formula.slice_shift(f, sequence.pulses.excitation.bandwidth);
    const found = {
      fatRead: Formula.read_shift(fat, bandwidth), ppmRead: Formula.read_shift(ppm, bandwidth),
      fatSlice: slice(fat), ppmSlice: slice(ppm), fatPhase: 0, ppmPhase: 0, fatHz: fat,
    };
    if (s.sequence === "epi") {
      const spacing = Tables.timing(sequence.timing, "spacing", s.bandwidth, s.voxel);
      found.fatPhase = Formula.train_shift(fat, spacing, ny, acceleration);
      found.ppmPhase = Formula.train_shift(ppm, spacing, ny, acceleration);
    }
    return found;
  };

  /* What does not fit: words for the reader, empty where all fits. */
  const minimum = (data, s) => {
    const sequence = data.sequences[s.sequence];
    const words = [];
    const get = (name) => Tables.timing(sequence.timing, name, s.bandwidth, s.voxel);
    const te = get("te");
    const first = (sequence.multiples.te || [1])[0];
    if (!Number.isFinite(te)) words.push("this readout cannot be played: lower the bandwidth or take larger pixels");
    let shortest = te;
    if (s.sequence === "epi") {
      const [, ny] = matrix(data, s.voxel);
      shortest = te - 2 * get("spacing") * (ny / 2) * (1 - 1 / s.acceleration);
    }
    if (s.te !== undefined && s.te * first / 1000 < shortest - SLACK) {
      words.push(`TE ${Text.ms(s.te * first)} does not fit: the shortest is ${Text.ms(1000 * shortest)}`);
    }
    if (s.sequence === "megre" && s.te / 1000 < get("spacing") - SLACK) {
      words.push(`echoes ${Text.ms(s.te)} apart do not fit: ${Text.ms(1000 * get("spacing"))} at least`);
    }
    let tr = get("tr");
    if (s.sequence === "mese") tr += 8 * Math.max(0, s.te / 1000 - te);
    if (s.sequence === "megre") tr += 8 * Math.max(0, s.te / 1000 - get("spacing"));
    if (["se", "epi", "spgr", "ir"].includes(s.sequence)) {
      const longest = s.te / 1000 * (s.sequence === "se" ? 5 / 3 : 1);
      tr += Math.max(0, longest - te);
    }
    if (s.sequence === "ir") tr += (s.ti * 4 - 700) / 1000;
    if (s.tr / 1000 < tr - SLACK) words.push(`TR ${Text.ms(s.tr)} does not fit: about ${Text.ms(1000 * tr)} at least`);
    return words;
  };

  return { matrix, playedBandwidth, facts };
})();
