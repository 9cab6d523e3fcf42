/* Numbers as a reader wants them. */
const Text = (() => {
  const digits = (value, n = 3) => {
    if (!Number.isFinite(value)) return "–";
    if (value === 0) return "0";
    const text = Number(value.toPrecision(n));
    return Math.abs(text) >= 1e-3 && Math.abs(text) < 1e5 ? String(text) : text.toExponential(n - 1);
  };
  const ms = (value) => `${digits(value, 4)} ms`;
  const time = (seconds) => {
    if (seconds < 90) return `${digits(seconds, 3)} s`;
    const minutes = Math.floor(seconds / 60);
    return `${minutes} min ${String(Math.round(seconds - 60 * minutes)).padStart(2, "0")} s`;
  };
  const percent = (share) => (Number.isFinite(share) ? `${share > 0 ? "+" : ""}${digits(100 * share, 2)} %` : "–");
  const tissue = (key) => {
    const [name, grade] = key.split("/");
    const words = name.replace(/_/g, " ").replace("annulus fibrosus", "annulus").replace("vertebral bone marrow", "marrow")
      .replace("nucleus pulposus", "nucleus").replace("csf", "CSF").replace("paraspinal ", "").replace("epidural ", "");
    return grade ? `${words} (${["I", "II", "III", "IV", "V"][grade - 1]})` : words;
  };
  return { digits, ms, time, percent, tissue };
})();
