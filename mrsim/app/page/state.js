/* The settings on the page: one to three, one of them active; read from and written to the link. */
const State = (() => {
  const SHOWN = 3;
  let data = null;
  const now = { settings: [], active: 0, image: 0, lesson: null };
  const listeners = [];

  const sliderOf = (name) => data.sliders.find((slider) => slider.name === name);
  const limits = (sequence, name) => {
    const slider = sliderOf(name);
    return data.sequences[sequence].limits[name] || [slider.low, slider.high, slider.step];
  };
  const fresh = (sequence, kept = {}) => {
    const start = data.sequences[sequence].start;
    const setting = { sequence };
    for (const { name } of data.sliders) {
      if (name in start) setting[name] = start[name];
    }
    for (const name of ["field", "grade", "thickness"]) {
      if (name in kept) setting[name] = kept[name];
    }
    return setting;
  };

  /* Only what the page itself could have written is taken; anything else is left at its start. */
  const parse = (hash) => {
    const found = [];
    for (const part of hash.replace(/^#/, "").split(";").slice(0, SHOWN)) {
      const entries = new URLSearchParams(part);
      const sequence = entries.get("sequence");
      if (!Object.hasOwn(data.sequences, sequence || "")) continue;
      const setting = fresh(sequence);
      for (const name of Object.keys(setting)) {
        const value = Number(entries.get(name));
        if (name === "sequence" || !entries.has(name) || !Number.isFinite(value)) continue;
        const [low, high] = limits(sequence, name);
        const whole = ["averages", "acceleration", "grade"].includes(name);
        if (value >= low && value <= high && (!whole || Number.isInteger(value))) setting[name] = value;
      }
      found.push(setting);
    }
    return found;
  };

  const text = () => now.settings.map((s) => new URLSearchParams(s).toString()).join(";");
  const link = () => `${location.href.split("#")[0]}#${text()}`;

  const tell = () => listeners.forEach((listener) => listener(now));
  let written = null;
  const write = () => {
    clearTimeout(written);
    written = setTimeout(() => { // browsers limit how often the address may change
      if (location.hash !== `#${text()}`) history.replaceState(null, "", `#${text()}`);
    }, 150);
  };
  const changed = () => {
    const count = data.sequences[active().sequence].images;
    now.image = Math.min(now.image, count - 1);
    write();
    tell();
  };
  const active = () => now.settings[now.active];

  const set = (name, value) => {
    active()[name] = value;
    changed();
  };
  const choose = (sequence) => {
    now.settings[now.active] = fresh(sequence, active());
    now.image = 0;
    changed();
  };
  const show = (settings, lesson = null, image = 0) => {
    now.settings = settings.map((s) => ({ ...fresh(s.sequence), ...s }));
    Object.assign(now, { active: 0, image, lesson });
    changed();
  };
  const add = () => {
    if (now.settings.length >= SHOWN) return;
    now.settings.push({ ...active() });
    now.active = now.settings.length - 1;
    changed();
  };
  const remove = (index) => {
    if (now.settings.length < 2) return;
    now.settings.splice(index, 1);
    now.active = Math.min(now.active, now.settings.length - 1);
    changed();
  };
  const activate = (index) => {
    now.active = index;
    changed();
  };
  const image = (index) => {
    now.image = index;
    changed();
  };
  const reset = () => show([fresh("mese")]);

  const begin = (table, listener) => {
    data = table;
    listeners.push(listener);
    const found = parse(location.hash);
    if (found.length) show(found);
    else reset();
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) === text()) return;
      const other = parse(location.hash);
      if (other.length) show(other);
    });
  };

  return { now, begin, set, choose, show, add, remove, activate, image, reset, link, text, limits, parse, fresh, active };
})();
