"""The style sheet of the HTML report: black on white on paper, light or dark on screen as the reader has set it."""

STYLE_SHEET = """
:root { --ink: #1d2733; --quiet: #5f6b78; --hair: #d5dbe1; }
* { box-sizing: border-box; }
body {
  margin: 0; background: #fff; color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { margin: 0; font-size: 28px; letter-spacing: -0.01em; }
h2 { margin: 34px 0 8px; font-size: 18px; border-bottom: 1px solid var(--hair); padding-bottom: 4px; }
h3 { margin: 18px 0 4px; font-size: 14px; color: var(--quiet); }
header p { margin: 4px 0 14px; color: var(--quiet); font-size: 16px; }
.facts {
  display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 0; padding: 12px 16px;
  background: #f4f6f8; border-radius: 6px;
}
.facts dt { font-size: 12px; color: var(--quiet); }
.facts dd { margin: 0; font-weight: 600; }
.warnings {
  margin-top: 18px; padding: 4px 16px 8px; background: #fff6e0;
  border-left: 4px solid #d99000; border-radius: 4px;
}
.warnings h2 { margin: 8px 0 2px; border: 0; font-size: 15px; color: #7a5200; }
.warnings ul { margin: 0 0 4px; padding-left: 20px; }
.verdicts { list-style: none; margin: 8px 0; padding: 0; }
.verdicts li { padding: 4px 0 4px 14px; margin: 3px 0; border-left: 4px solid #b2182b; }
.verdicts li.good { border-color: #1b9e77; }
figure { margin: 22px 0; text-align: center; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
.viewer canvas { width: 100%; height: 460px; touch-action: none; cursor: crosshair; }
.viewer output { display: block; min-height: 1.5em; font-size: 12px; color: var(--quiet); }
figcaption { color: var(--quiet); font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--quiet); font-weight: 600; border-bottom: 1px solid var(--quiet); }
th, td { padding: 3px 10px 3px 0; vertical-align: top; }
td { border-bottom: 1px solid #edf0f3; overflow-wrap: break-word; }
td:first-child { white-space: nowrap; }
.number { text-align: right; white-space: nowrap; }
.verdicts li.none { border-color: #b6bec7; color: var(--quiet); }
.prose { min-width: 17em; }
.columns { display: grid; grid-template-columns: 1fr 1.2fr; gap: 0 36px; }
section > p { color: var(--quiet); font-size: 13px; }
pre { background: #f4f6f8; padding: 10px 14px; border-radius: 6px; font-size: 12px; white-space: pre-wrap; }
@media (max-width: 800px) { .verdicts li.none { border-color: #b6bec7; color: var(--quiet); }
.prose { min-width: 17em; }
.columns { grid-template-columns: 1fr; } }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e3e8ee; --quiet: #9aa6b2; --hair: #39424c; }
  body { background: #14181d; }
  td { border-bottom-color: #262d35; }
  .facts, pre { background: #1f252c; }
  .warnings { background: #332a12; }
  .warnings h2 { color: #f0c868; }
  figure img, .viewer canvas { background: #fff; border-radius: 6px; }
}
@media print {
  .viewer { display: none; }
  body { font-size: 11px; } main { padding: 0; max-width: none; }
  section { break-inside: auto; } tr, .warnings, .facts { break-inside: avoid; } h2 { break-after: avoid; }
}
"""
