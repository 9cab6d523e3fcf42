/* "Run it for real": hands the active setting to the live server that served this page; absent from an exported file. */
const Live = (() => {
  const el = (id) => document.getElementById(id);
  const token = document.querySelector('meta[name="mrsim-token"]')?.content || "";
  let job = null;

  const call = async (method, path, body) => {
    const answer = await fetch(path, {
      method, cache: "no-store", credentials: "omit",
      headers: { "X-Mrsim-Token": token, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body ? JSON.stringify(body) : undefined,
    });
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(content.error || `the server answered ${answer.status}`);
    return content;
  };

  const wait = (ms) => new Promise((done) => { setTimeout(done, ms); });

  const progress = (state) => {
    const share = state.total > 1 ? state.done / state.total : 0;
    el("live-bar").value = share;
    el("live-text").textContent = state.state === "queued" ? "waiting for its turn" : `${state.step || "starting"} ${state.total > 1 ? `${state.done} of ${state.total}` : ""}`;
  };

  const follow = async (id) => {
    for (;;) {
      const state = await call("GET", `/api/jobs/${id}`);
      if (job !== id) return null;
      if (state.state === "done") return state.result;
      if (state.state === "failed" || state.state === "cancelled") throw new Error(state.error || state.state);
      progress(state);
      await wait(250);
    }
  };

  const busy = (on) => {
    el("live-run").disabled = on;
    el("live-cancel").hidden = !on;
    el("live-bar").hidden = !on;
  };

  const run = async () => {
    busy(true);
    el("live-result").replaceChildren();
    try {
      const started = await call("POST", "/api/jobs", { setting: State.active(), budget: el("live-budget").checked });
      job = started.id;
      const result = await follow(job);
      if (result) show(result);
      el("live-text").textContent = "done";
      Say.tell("The run is done.");
    } catch (problem) {
      el("live-text").textContent = problem.message;
      Say.tell(problem.message);
    }
    job = null;
    busy(false);
  };

  const cancel = async () => {
    if (job) await call("DELETE", `/api/jobs/${job}`).catch(() => {});
  };

  const show = (result) => {
    const parts = [];
    for (const [name, picture] of Object.entries(result.pictures)) {
      const image = document.createElement("img");
      image.src = `data:image/png;base64,${picture}`;
      image.alt = result.captions[name] || name;
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = image.alt;
      figure.append(image, caption);
      parts.push(figure);
    }
    for (const table of result.tables) {
      const holder = document.createElement("div");
      holder.className = "scroll";
      const head = table.columns.map((text) => `<th>${Charts.escape(text)}</th>`).join("");
      const rows = table.rows.map((row) => `<tr>${row.map((text) => `<td>${Charts.escape(text)}</td>`).join("")}</tr>`).join("");
      holder.innerHTML = `<table class="numbers"><caption>${Charts.escape(table.title)}</caption><thead><tr>${head}</tr></thead><tbody>${rows}</tbody></table>`;
      parts.push(holder);
    }
    const notes = document.createElement("p");
    notes.className = "quiet";
    notes.textContent = [...result.warnings, `${Text.digits(result.seconds)} s`].join(" · ");
    el("live-result").replaceChildren(...parts, notes);
  };

  const build = () => {
    el("live").hidden = !token;
    el("offline").hidden = Boolean(token);
    el("live-run").addEventListener("click", run);
    el("live-cancel").addEventListener("click", cancel);
  };

  const refresh = () => {};

  return { build, refresh, run };
})();
