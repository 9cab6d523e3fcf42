/* The sequence diagram of one repetition: pulses, read windows and the slice gradient, to scale in time. */
const Diagram = (() => {
  /* [{use, at, flip}] pulses and [{at}] read windows of the image shown, s from the first pulse. */
  const events = (data, s, image) => {
    const sequence = data.sequences[s.sequence];
    const one = Signal.images(data, s)[Math.min(image, sequence.images - 1)];
    const pulses = [];
    const reads = [];
    const flip = Math.round(one.flip / Signal.DEG);
    const excite = (at, angle) => pulses.push({ use: "excitation", at, angle });
    const te = s.te / 1000;
    if (s.sequence === "ir") {
      pulses.push({ use: "inversion", at: 0, angle: 180 });
      excite(one.ti, flip);
      pulses.push({ use: "refocusing", at: one.ti + te / 2, angle: 180 });
      reads.push(one.ti + te);
    } else if (s.sequence === "mese") {
      excite(0, 90);
      for (let k = 0; k < sequence.images; k += 1) {
        pulses.push({ use: "refocusing", at: (k + 0.5) * te, angle: s.flip });
        reads.push((k + 1) * te);
      }
    } else if (s.sequence === "se" || s.sequence === "epi") {
      excite(0, flip);
      pulses.push({ use: "refocusing", at: one.te / 2, angle: 180 });
      reads.push(one.te);
    } else {
      excite(0, flip);
      if (s.sequence === "megre") Signal.images(data, s).forEach((each) => reads.push(each.te));
      else reads.push(one.te);
    }
    return { pulses, reads };
  };

  const draw = (data, s, image, facts) => {
    const { pulses, reads } = events(data, s, image);
    const own = data.sequences[s.sequence].pulses;
    const epi = s.sequence === "epi";
    const spacing = epi ? facts.spacing : facts.window;
    const train = epi ? facts.lines * spacing : facts.window;
    const start = -own[pulses[0].use].duration / 2;
    const end = Math.max(...reads) + train / 2;
    const [w, h] = [360, 150];
    const room = (end - start) * 0.03;
    const px = (t) => 34 + (t - start + room) / (end - start + 2 * room) * (w - 40);
    const parts = [["RF", 40], ["Gz", 80], ["Gx", 112], ["ADC", 136]].map(([name, y]) => `<text x="2" y="${y + 3}" class="tick">${name}</text><line class="grid" x1="30" x2="${w}" y1="${y}" y2="${y}"/>`);
    for (const pulse of pulses) {
      const { duration, shape, flip } = own[pulse.use];
      const values = Tables.unpack(shape);
      const height = 30 * Math.min(1, pulse.angle / 180 + 0.15);
      const points = Array.from(values, (v, i) => `${px(pulse.at + (i / (values.length - 1) - 0.5) * duration).toFixed(1)},${(40 - height * v).toFixed(1)}`);
      parts.push(`<polyline class="rf" points="${points.join(" ")}"/>`,
        `<text x="${px(pulse.at) - (pulse.use === "excitation" ? 4 : 0)}" y="8" class="tick" text-anchor="${pulse.use === "excitation" ? "end" : "middle"}">${Text.digits(pulse.angle)}°</text>`,
        `<rect class="gradient" x="${px(pulse.at - duration / 2)}" y="${pulse.use === "excitation" ? 68 : 72}" width="${Math.max(1, px(pulse.at + duration / 2) - px(pulse.at - duration / 2))}" height="${pulse.use === "excitation" ? 12 : 8}"/>`);
    }
    for (const at of reads) {
      const count = epi ? Math.min(facts.lines, 64) : 1;
      for (let k = 0; k < count; k += 1) {
        const middle = at + (epi ? (k - (count - 1) / 2) * train / count : 0);
        const [a, b] = [px(middle - (epi ? train / count : facts.window) / 2), px(middle + (epi ? train / count : facts.window) / 2)];
        parts.push(`<rect class="gradient" x="${a}" y="${k % 2 ? 112 : 100}" width="${Math.max(0.6, b - a - (epi ? 0.3 : 0))}" height="12"/>`);
      }
      parts.push(`<rect class="adc" x="${px(at - train / 2)}" y="128" width="${Math.max(1, px(at + train / 2) - px(at - train / 2))}" height="8"/>`);
    }
    parts.push(`<text x="${w - 2}" y="148" class="tick" text-anchor="end">${Text.ms(1000 * (end - start))} of TR ${Text.ms(s.tr)}</text>`);
    const words = `${pulses.length} pulses, ${reads.length} read windows, ${Text.ms(1000 * (end - start))} of a repetition of ${Text.ms(s.tr)}`;
    return `<svg viewBox="0 0 ${w} ${h}" role="img" aria-label="Sequence diagram: ${words}">${parts.join("")}</svg>`;
  };

  return { draw, events };
})();
