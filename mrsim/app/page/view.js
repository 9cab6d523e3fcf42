/* One setting as the reader sees it: image, curves, bars, precision, costs, diagram. */
const View = (() => {
  const NUCLEUS = "nucleus_pulposus";
  const AGAINST = ["annulus_fibrosus_inner", "vertebral_bone_marrow", "csf"];

  const computed = (data, s) => {
    const facts = Scan.facts(data, s);
    const keys = Picture.labels(data, s.grade).tissues;
    const tissues = Object.fromEntries(keys.map((key) => [key, Signal.tissue(data, s, key)]));
    const precision = Object.fromEntries(keys.map((key) => [key, Precision.of(data, s, tissues[key], facts)]));
    return { facts, keys, tissues, precision };
  };

  const colour = (keys, key) => Charts.COLOURS[(keys.length - 1 - keys.indexOf(key)) % Charts.COLOURS.length];
  const shown = (keys) => [...keys].reverse().filter((key) => !key.startsWith("cortical"));

  /* Signal curves: over TE, TI or the flip angle, with a point for each image. */
  const curves = (data, s, found) => {
    const lines = [];
    const keys = shown(found.keys).slice(0, 7);
    const axis = { ir: ["ti", 1000, "TI, ms"], spgr: ["flip", 1 / Signal.DEG, "flip angle, °"] }[s.sequence] || ["te", 1000, "TE, ms"];
    const [name, scale, label] = axis;
    for (const key of keys) {
      const one = found.tissues[key];
      const signed = s.sequence === "ir" ? one.signed : one.total;
      const own = one.images.map((image, k) => [image[name] * scale, signed[k]]);
      const dense = denser(data, s, key, name, scale);
      lines.push({ name: Text.tissue(key), colour: colour(found.keys, key), points: dense || own });
      lines.push({ name: key, colour: colour(found.keys, key), points: own, dots: true });
    }
    const image = Signal.images(data, s)[State.now.image];
    return Charts.curves({ title: "Signal of each tissue", x: label, y: "signal", lines, mark: image[name] * scale });
  };

  /* More points than images where the sequence has a curve between them; null for an echo train. */
  const denser = (data, s, key, name, scale) => {
    const count = 15;
    if (s.sequence === "mese" || s.sequence === "megre") return null; // echoes of one train
    const [, high] = State.limits(s.sequence, name);
    const last = Math.max(...(data.sequences[s.sequence].multiples[name] || [1]));
    const top = Math.min(high * last, name === "te" ? 240 : Infinity);
    const points = [];
    for (let k = 1; k <= count; k += 1) {
      const value = top * k / count;
      if (name === "te" && value < 10) continue; // the tables of spin echoes begin there
      const multiples = data.sequences[s.sequence].multiples[name];
      const middle = { ...s, [name]: value / (multiples ? multiples[0] : 1) };
      const only = { ...data, sequences: { ...data.sequences, [s.sequence]: { ...data.sequences[s.sequence], images: 1 } } };
      if (name === "ti" && value > s.tr - s.te) break;
      const one = Signal.tissue(only, middle, key);
      points.push([value, s.sequence === "ir" ? one.signed[0] : one.total[0]]);
    }
    return points;
  };

  const snrBars = (s, found, image) => Charts.bars("SNR of one voxel, this image", shown(found.keys).map((key) => {
    const value = found.tissues[key].total[image] / found.facts.sigma;
    return { name: Text.tissue(key), value, text: Text.digits(value), colour: colour(found.keys, key) };
  }));

  const contrastBars = (s, found, image) => {
    const key = (name) => found.keys.find((each) => each.split("/")[0] === name);
    const nucleus = found.tissues[key(NUCLEUS)].total[image];
    return Charts.bars("Contrast to noise: nucleus against", AGAINST.map(key).filter(Boolean).map((other) => {
      const value = Math.abs(nucleus - found.tissues[other].total[image]) / found.facts.sigma;
      return { name: Text.tissue(other), value, text: Text.digits(value), colour: colour(found.keys, other) };
    }));
  };

  const precisionTable = (data, s, found) => {
    const rows = shown(found.keys).filter((key) => found.precision[key]).map((key) => {
      const p = found.precision[key];
      const unit = (v) => Text.digits(v * p.scale);
      return `<tr><th scope="row">${Text.tissue(key)}</th><td>${unit(p.truth)}</td><td>${unit(p.fitted)}</td><td>${Text.percent(p.fitted / p.truth - 1)}</td><td>${unit(p.bound)}</td><td>${unit(p.perRootMinute)}</td></tr>`;
    });
    const sequence = data.sequences[s.sequence];
    if (!sequence.model) return `<p class="quiet">No map is fitted to these images.</p>`;
    const { symbol, unit } = Precision.DETAILS[sequence.model];
    return `<table class="numbers"><caption>${symbol} by ${sequence.model}, one voxel (${unit})</caption><thead><tr><th>tissue</th><th>truth</th><th>fit</th><th>bias</th><th>CRLB</th><th>CRLB·√min</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
  };

  const costs = (data, s, found) => {
    const { facts } = found;
    const shifts = facts.shifts;
    const along = s.sequence === "epi" ? [["1 ppm along the phase encoding", `${Text.digits(shifts.ppmPhase)} px`, "off-resonance"], ["fat along the phase encoding", `${Text.digits(shifts.fatPhase)} px`, `${Text.digits(shifts.fatHz)} Hz`]] : [];
    const mode = facts.sar <= 2 ? "normal mode" : facts.sar <= 4 ? "first level controlled" : "above every limit: not scanned";
    const law = s.field > 3 ? "; the square law is good to 3 T" : "";
    return Charts.table("Cost and distortion", [
      ["Scan time", Text.time(facts.time), ""],
      ["SAR, whole body", `${Text.digits(facts.sar)} W/kg`, mode + law],
      ["Matrix", `${facts.nx} × ${facts.ny}`, `${Text.digits(facts.bandwidth, 4)} Hz per pixel played`],
      ["Fat along the readout", `${Text.digits(shifts.fatRead)} px`, `${Text.digits(shifts.fatRead * data.fov[0] / facts.nx)} mm`],
      ["1 ppm along the readout", `${Text.digits(shifts.ppmRead)} px`, `fat across the slice: ${Text.digits(shifts.fatSlice)} thicknesses`],
      ...along,
      ["Noise (σ)", Text.digits(facts.sigma), "share of water's signal"],
    ]);
  };

  /* Words that a reader must see first: what does not fit, what is extrapolated, what no table knows. */
  const stamps = (data, s, found) => {
    const words = found.facts.minimum.map((text) => ["wrong", text]);
    const beyond = found.keys.filter((key) => {
      const [low, high] = data.tissues[key].range;
      return s.field < low - 1e-6 || s.field > high + 1e-6;
    });
    if (beyond.length) {
      const all = beyond.length === found.keys.length ? "all tissues" : beyond.map(Text.tissue).join(", ");
      words.push(["stamp", `EXTRAPOLATION: ${Text.digits(s.field, 4)} T is outside the known fields of ${all}`]);
    }
    const unknown = found.keys.filter((key) => !found.tissues[key].total.every(Number.isFinite));
    if (unknown.length) words.push(["stamp", `no values at this setting, shown without signal: ${unknown.map(Text.tissue).join(", ")}`]);
    return words.map(([kind, text]) => `<p class="${kind}">${Charts.escape(text)}</p>`).join("");
  };

  const white = (found, image) => {
    const sizes = found.keys.map((key) => found.tissues[key].total[image]).filter(Number.isFinite);
    return Math.max(...sizes, 1e-6) + 2 * found.facts.sigma;
  };

  const render = (data, s, box, image) => {
    const found = computed(data, s);
    const one = Math.min(image, data.sequences[s.sequence].images - 1);
    const part = (name) => box.querySelector(`[data-part="${name}"]`);
    const pixels = Picture.magnitudes(data, s, found.tissues, found.facts, one);
    Picture.draw(part("image"), pixels, found.facts.nx, found.facts.ny, white(found, one));
    const nucleus = found.keys.find((key) => key.startsWith(NUCLEUS));
    const snr = found.tissues[nucleus].total[one] / found.facts.sigma;
    const own = Signal.images(data, s)[one];
    const about = s.sequence === "ir" ? `TI ${Text.ms(own.ti * 1000)}` : s.sequence === "spgr" ? `flip ${Text.digits(own.flip / Signal.DEG)}°` : `TE ${Text.ms(own.te * 1000)}`;
    const caption = `${data.sequences[s.sequence].title}, ${Text.digits(s.field, 4)} T, ${about}: SNR of the nucleus ${Text.digits(snr)}`;
    part("image").setAttribute("aria-label", `Simulated image. ${caption}`);
    part("caption").textContent = caption;
    part("stamps").innerHTML = stamps(data, s, found);
    part("curves").innerHTML = curves(data, s, found);
    part("snr").innerHTML = snrBars(s, found, one);
    part("contrast").innerHTML = contrastBars(s, found, one);
    part("precision").innerHTML = precisionTable(data, s, found);
    part("costs").innerHTML = costs(data, s, found);
    part("diagram").innerHTML = Diagram.draw(data, s, one, found.facts);
    return found;
  };

  const frame = () => `
    <div data-part="stamps"></div>
    <figure><canvas data-part="image" role="img"></canvas><figcaption data-part="caption"></figcaption></figure>
    <div data-part="costs"></div>
    <div data-part="snr"></div><div data-part="contrast"></div>
    <section aria-label="Signal curves" data-part="curves"></section>
    <div class="scroll" data-part="precision"></div>
    <section aria-label="Sequence diagram" data-part="diagram"></section>`;

  return { render, frame, computed };
})();
