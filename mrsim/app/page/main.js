/* Start: one render for every change, at most one a frame. */
const Lab = (() => {
  const NAMES = ["A", "B", "C"];
  let data = null;
  let pending = false;
  const seen = new Map();

  const columns = (now) => {
    const holder = document.getElementById("columns");
    while (holder.children.length < now.settings.length) {
      const box = document.createElement("article");
      box.innerHTML = `<h2><button type="button" class="choose"></button><button type="button" class="remove" aria-label="Remove this setting">×</button></h2>${View.frame()}`;
      holder.append(box);
      const index = holder.children.length - 1;
      box.querySelector(".choose").addEventListener("click", () => State.activate(index));
      box.querySelector(".remove").addEventListener("click", () => { State.remove(index); Say.tell("Setting removed."); });
    }
    while (holder.children.length > now.settings.length) {
      holder.lastChild.remove();
      seen.delete(holder.children.length);
    }
    holder.dataset.count = now.settings.length;
    return [...holder.children];
  };

  const draw = () => {
    pending = false;
    const { now } = State;
    columns(now).forEach((box, index) => {
      const s = now.settings[index];
      box.classList.toggle("active", index === now.active && now.settings.length > 1);
      const choose = box.querySelector(".choose");
      choose.textContent = `${NAMES[index]}: ${data.sequences[s.sequence].title}`;
      choose.setAttribute("aria-pressed", String(index === now.active));
      box.querySelector(".remove").hidden = now.settings.length < 2;
      const key = `${JSON.stringify(s)}/${now.image}`;
      if (seen.get(index) === key) return;
      seen.set(index, key);
      View.render(data, s, box, now.image);
    });
    Controls.refresh(data, now);
    Lessons.refresh(data, now);
    Live.refresh(now);
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn || 0) + 1);
  };

  const ask = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(draw);
  };

  const start = () => {
    data = JSON.parse(document.getElementById("data").textContent);
    Controls.build(data);
    Lessons.build(data);
    Live.build(data);
    const [a, b] = [data.error, Math.max(...Object.values(data.sequences).map((q) => (q.train ? q.train.error : 0)))];
    document.getElementById("limits").textContent = `Tables: tissue times between tabulated fields within ${Text.digits(100 * a, 2)} %; echo trains within ${Text.digits(100 * b, 2)} % of M0. Version ${data.version}.`;
    State.begin(data, ask);
    draw();
    document.body.dataset.ready = String(Math.round(performance.now()));
  };

  return { start, draw, get data() { return data; } };
})();

Lab.start();
