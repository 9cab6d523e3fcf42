/* Sliders, buttons and keys. */
const Controls = (() => {
  const el = (id) => document.getElementById(id);

  const toSlider = (slider, [low, high], value) => (slider.logarithmic ? 1000 * Math.log(value / low) / Math.log(high / low) : value);
  const fromSlider = (slider, [low, high, step], raw) => {
    const value = slider.logarithmic ? low * (high / low) ** (raw / 1000) : raw;
    if (slider.name === "field") return Snap(value, low, high);
    const snapped = low + Math.round((value - low) / step) * step;
    return Number(Math.min(high, Math.max(low, snapped)).toPrecision(8));
  };
  /* Fields of real scanners are easy to hit. */
  const Snap = (value, low, high) => {
    const known = [0.05, 0.1, 0.2, 0.35, 0.55, 1, 1.5, 3, 5, 7, 9.4, 10.5, 11.7];
    const near = known.find((b) => Math.abs(Math.log(value / b)) < 0.012);
    return near || Math.min(high, Math.max(low, Number(value.toPrecision(3))));
  };

  const build = (data) => {
    el("sequence").innerHTML = Object.entries(data.sequences).map(([name, { title }]) => `<option value="${name}">${title}</option>`).join("");
    el("sequence").addEventListener("change", (event) => State.choose(event.target.value));
    el("sliders").innerHTML = data.sliders.map((slider) => `
      <div class="control" data-name="${slider.name}">
        <label for="slider-${slider.name}">${slider.label}</label>
        <input type="number" id="number-${slider.name}" aria-label="${slider.label}${slider.unit ? `, ${slider.unit}` : ""}" inputmode="decimal"><span>${slider.unit}</span>
        <input type="range" id="slider-${slider.name}">
      </div>`).join("");
    for (const slider of data.sliders) {
      const range = el(`slider-${slider.name}`);
      range.addEventListener("input", () => {
        State.set(slider.name, fromSlider(slider, State.limits(State.active().sequence, slider.name), Number(range.value)));
      });
      const number = el(`number-${slider.name}`);
      number.addEventListener("change", () => {
        const [low, high] = State.limits(State.active().sequence, slider.name);
        const value = Number(number.value);
        const fits = number.value !== "" && value >= low && value <= high && number.validity.stepMismatch === false;
        number.setAttribute("aria-invalid", String(!fits));
        Say.tell(fits ? "" : `${slider.label}: ${low} to ${high} ${slider.unit}`);
        if (fits) State.set(slider.name, value);
      });
    }
    el("image-number").addEventListener("input", (event) => State.image(Number(event.target.value) - 1));
    el("reset").addEventListener("click", () => { State.reset(); Say.tell("All settings are as at the start."); });
    el("add").addEventListener("click", () => { State.add(); Say.tell(`Setting ${State.now.settings.length} added.`); });
    el("link").addEventListener("click", share);
    el("sources-button").addEventListener("click", () => Sources.show(data, State.active()));
    document.addEventListener("keydown", (event) => keys(event, data));
  };

  const share = async () => {
    const link = State.link();
    try {
      await navigator.clipboard.writeText(link);
      Say.tell("Link copied.");
    } catch {
      el("link-text").hidden = false;
      el("link-text").value = link;
      el("link-text").select();
      Say.tell("Copy the link from the field.");
    }
  };

  const keys = (event, data) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName) || el("sources").open) return;
    const act = {
      r: () => el("reset").click(), c: () => el("add").click(), l: () => el("link").click(), s: () => el("sources-button").click(),
      1: () => State.activate(0), 2: () => State.now.settings.length > 1 && State.activate(1), 3: () => State.now.settings.length > 2 && State.activate(2),
      n: () => el("sequence").focus(), "?": () => el("keys").toggleAttribute("open"),
    }[event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  };

  const refresh = (data, now) => {
    const s = State.active();
    el("sequence").value = s.sequence;
    for (const slider of data.sliders) {
      const box = el(`slider-${slider.name}`).closest(".control");
      box.hidden = !(slider.name in s);
      if (box.hidden) continue;
      const limits = State.limits(s.sequence, slider.name);
      const range = el(`slider-${slider.name}`);
      const number = el(`number-${slider.name}`);
      const [low, high, step] = limits;
      Object.assign(range, slider.logarithmic ? { min: 0, max: 1000, step: 1 } : { min: low, max: high, step });
      range.value = toSlider(slider, limits, s[slider.name]);
      range.setAttribute("aria-valuetext", `${Text.digits(s[slider.name], 4)} ${slider.unit}`);
      Object.assign(number, { min: low, max: high, step: "any" });
      if (document.activeElement !== number) number.value = s[slider.name];
    }
    const without = data.sliders.filter((slider) => !(slider.name in s)).map((slider) => slider.label);
    el("without").textContent = without.length ? `Not part of this sequence: ${without.join(", ")}.` : "";
    const images = data.sequences[s.sequence].images;
    el("image-control").hidden = images < 2;
    Object.assign(el("image-number"), { min: 1, max: images, value: now.image + 1 });
    el("image-number").setAttribute("aria-valuetext", `image ${now.image + 1} of ${images}`);
    el("image-text").textContent = `${now.image + 1} of ${images}`;
    el("add").disabled = now.settings.length > 2;
  };

  return { build, refresh, fromSlider, toSlider };
})();

/* What a screen reader is told. */
const Say = (() => {
  const tell = (text) => { document.getElementById("status").textContent = text; };
  return { tell };
})();
