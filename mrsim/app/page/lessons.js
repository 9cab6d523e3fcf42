/* The guided lessons: each sets the page, says what to look at, and asks the reader to move one thing. */
const Lessons = (() => {
  const set = (sequence, more = {}) => ({ sequence, ...more });

  const LESSONS = [
    {
      id: "ernst", title: "The Ernst angle", image: 2,
      settings: [set("spgr", { tr: 20, flip: 11 }), set("spgr", { tr: 150, flip: 11 })],
      steps: [
        "A spoiled gradient echo with a short TR is brightest at one flip angle, the Ernst angle: cos α = exp(−TR/T1).",
        "Move the flip angle of A and watch where each tissue's curve has its top: tissues with a longer T1 have it further left.",
        "B has a longer TR: the top lies at a larger flip. Real slices hold many flips at once, so the top of the curve lies above the formula's angle.",
      ],
      fact: (data, s) => nucleusTimes(data, s, ([, t1]) => `Ernst angle of the nucleus at this TR: ${Text.digits(Formula.ernst_angle(t1, s.tr / 1000) / Signal.DEG)}°.`),
    },
    {
      id: "seven", title: "Why 7 T isn't always better", image: 3,
      settings: [set("mese", { field: 1.5 }), set("mese", { field: 3 }), set("mese", { field: 7 })],
      steps: [
        "The three settings differ by the field alone. The noise falls as the field grows, so SNR rises.",
        "But T1 lengthens and T2 shortens with the field, so a part of the gain is lost at the same TR and TE; SAR grows with the square of the field.",
        "Compare CRLB·√min, what a minute of scanning buys, and the SAR. Then try the multi-echo gradient echo, where T2* takes more.",
      ],
      fact: (data, s) => `SNR law: ${Text.digits(Formula.field_gain(s.field))} times that of 3 T; SAR ${Text.digits((s.field / 3) ** 2)} times.`,
    },
    {
      id: "agreement", title: "Why correlation is not agreement", image: 0,
      settings: [set("mese", { grade: 1 }), set("mese", { grade: 3 }), set("mese", { grade: 5 })],
      steps: [
        "Look at truth and fit of T2 in the nucleus for grades I, III and V: the fit follows the truth closely, so the correlation is nearly 1.",
        "Yet every value is too long: stimulated echoes add signal that a mono-exponential fit takes for a longer T2. Correlation does not see a bias.",
        "Choose the spin echo instead: one refocusing pulse has no stimulated echo, and the bias goes, at the price of scan time.",
      ],
      fact: (data, s) => agreement(data, s),
    },
    {
      id: "fat", title: "The fat that moves", image: 0,
      settings: [set("se", { bandwidth: 100, te: 72 }), set("se", { bandwidth: 600, te: 72 })],
      steps: [
        "Fat precesses 3.4 ppm slower than water, so the readout puts it in the wrong place: look at the edges of the marrow.",
        "Raise the bandwidth of A: fat moves back towards its place, and the noise grows with the square root of the bandwidth.",
        "Raise the field: the shift in Hz grows in proportion.",
      ],
      fact: (data, s) => { const f = Scan.facts(data, s); return `Fat is displaced by ${Text.digits(f.shifts.fatRead)} pixels, ${Text.digits(f.shifts.fatRead * data.fov[0] / f.nx)} mm.`; },
    },
    {
      id: "fa", title: "When FA is noise", image: 0,
      settings: [set("epi", { averages: 1 }), set("epi", { averages: 8 })],
      steps: [
        "Fractional anisotropy cannot be negative: noise makes the eigenvalues differ, so even a tissue without any direction reads an FA above 0.",
        "Raise the averages, the pixel or the thickness and watch the FA that noise alone makes, below.",
        "An FA below that number says nothing of fibres.",
      ],
      fact: (data, s) => anisotropy(data, s),
    },
    {
      id: "epi", title: "EPI at 1.5, 3 and 7 T", image: 0,
      settings: [set("epi", { field: 1.5 }), set("epi", { field: 3 }), set("epi", { field: 7 })],
      steps: [
        "An echo train samples the phase encoding slowly, so an off-resonance displaces along it by many pixels: compare the row '1 ppm along the phase encoding'.",
        "It grows with the field. Raise the acceleration: the shift shrinks in proportion, and so does the train; the SNR falls with its square root.",
        "Without fat suppression the fat of the marrow lands far from where it belongs.",
      ],
      fact: (data, s) => `1 ppm displaces by ${Text.digits(Scan.facts(data, s).shifts.ppmPhase)} pixels along the phase encoding.`,
    },
    {
      id: "t2star", title: "T2* and susceptibility", image: 0,
      settings: [set("megre", { field: 1.5 }), set("megre", { field: 3 }), set("megre", { field: 7 })],
      steps: [
        "Where susceptibility differs, the field varies within a voxel and the free decay is faster: 1/T2* = 1/T2 + 1/T2′. The part 1/T2′ grows in proportion to the field.",
        "Compare the curves: the same echo times see less and less signal from 1.5 to 7 T. Marrow, with its bony trabeculae and its fat, falls and oscillates.",
        "Shorten the TE at 7 T until the fit is precise again; a spin echo would refocus what T2′ takes.",
      ],
      fact: (data, s) => nucleusTimes(data, s, ([, , t2, r2p]) => `Nucleus: T2 ${Text.ms(1000 * t2)}, T2* ${Text.ms(1000 * Formula.t2_star(t2, r2p))}.`),
    },
    {
      id: "grades", title: "What a Pfirrmann grade does to each number", image: 5,
      settings: [set("mese", { grade: 1 }), set("mese", { grade: 5 })],
      steps: [
        "Degeneration takes water and proteoglycan from the nucleus: T1, T2 and the proton density fall, the disc flattens.",
        "Move the grade of B from V to I and watch image, SNR, truth, bias and CRLB: shorter T2 is seen less precisely by late echoes.",
        "Shorten the echo spacing at grade V: the train then ends where the signal does.",
      ],
      fact: (data, s) => nucleusTimes(data, s, ([pd, t1, t2]) => `Nucleus: proton density ${Text.digits(pd)}, T1 ${Text.ms(1000 * t1)}, T2 ${Text.ms(1000 * t2)}.`),
    },
  ];

  const nucleusOf = (s) => `nucleus_pulposus/${s.grade}`;
  const nucleusTimes = (data, s, say) => say(Tables.pool(data.tissues[nucleusOf(s)].pools.water, data.fields, s.field));

  /* Correlation and mean difference of T2 over the grades, for the settings' own sequence. */
  const agreement = (data, s) => {
    const pairs = [1, 2, 3, 4, 5].map((grade) => {
      const one = { ...s, grade };
      const p = Precision.of(data, one, Signal.tissue(data, one, nucleusOf(one)), Scan.facts(data, one));
      return p ? [p.truth, p.fitted] : null;
    }).filter(Boolean);
    if (pairs.length < 3) return "This sequence fits no time.";
    const mean = (k) => pairs.reduce((sum, pair) => sum + pair[k], 0) / pairs.length;
    const [mx, my] = [mean(0), mean(1)];
    const sum = (f) => pairs.reduce((total, pair) => total + f(pair), 0);
    const r = sum(([x, y]) => (x - mx) * (y - my)) / Math.sqrt(sum(([x]) => (x - mx) ** 2) * sum(([, y]) => (y - my) ** 2));
    const bias = sum(([x, y]) => y / x - 1) / pairs.length;
    return `Nucleus of grades I to V: correlation of fit and truth r = ${r.toFixed(4)}; mean bias ${Text.percent(bias)}.`;
  };

  const anisotropy = (data, s) => {
    const facts = Scan.facts(data, s);
    const snr = Signal.tissue(data, s, nucleusOf(s)).total[0] / facts.sigma;
    const t = data.tensor;
    const words = `SNR ${Text.digits(snr)} of the image without weighting`;
    if (!(snr >= t.snr[0])) return `${words}: below ${t.snr[0]}, where no FA means anything.`;
    if (snr > t.snr[t.snr.length - 1]) return `${words}: noise alone makes an FA below ${Text.digits(t.mean[t.mean.length - 1], 2)}.`;
    const [k, share] = Tables.place(t.snr.map(Math.log), Math.log(snr));
    const fa = t.mean[k] + share * (t.mean[k + 1] - t.mean[k]);
    return `${words}: noise alone makes a mean FA of ${Text.digits(fa, 2)} (true FA 0, b ${t.b} s/mm², ${t.directions} directions, weighted fit).`;
  };

  const el = (id) => document.getElementById(id);
  const find = (id) => LESSONS.find((lesson) => lesson.id === id);

  const open = (id) => {
    const lesson = find(id);
    State.show(lesson.settings, id, lesson.image);
    el("lesson").hidden = false;
    el("lesson-title").textContent = lesson.title;
    el("lesson-steps").innerHTML = lesson.steps.map((text) => `<li>${Charts.escape(text)}</li>`).join("");
    el("lesson-title").focus();
  };

  const close = () => {
    State.now.lesson = null;
    el("lesson").hidden = true;
    el("lessons").value = "";
  };

  const build = () => {
    el("lessons").innerHTML = `<option value="">Choose a lesson…</option>${LESSONS.map((lesson, k) => `<option value="${lesson.id}">${k + 1}. ${Charts.escape(lesson.title)}</option>`).join("")}`;
    el("lessons").addEventListener("change", (event) => (event.target.value ? open(event.target.value) : close()));
    el("lesson-close").addEventListener("click", close);
  };

  const refresh = (data, now) => {
    if (!now.lesson) {
      el("lesson").hidden = true;
      return;
    }
    el("lessons").value = now.lesson;
    el("lesson-fact").innerHTML = now.settings.map((s, k) => `<p><strong>${"ABC"[k]}</strong> ${Charts.escape(find(now.lesson).fact(data, s))}</p>`).join("");
  };

  return { build, refresh, open, close, LESSONS };
})();
