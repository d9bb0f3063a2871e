/** `report.html`: one file, no script, no request to anywhere; the curve is drawn as SVG. */
import type { CurvePoint, Report } from './report.js';
import type { Proportion } from '../../src/core/judging/proportion.js';

const WIDTH = 720;
const HEIGHT = 260;
const PAD = 40;

export function html(report: Report): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gyre demo report</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto;
  padding: 0 1rem; color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid #d8dee4; vertical-align: top }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap }
.reward { stroke: #8250df } .heldout { stroke: #1a7f37 }
svg text { font: 12px system-ui, sans-serif; fill: #57606a }
</style>
</head>
<body>
<h1>Gyre: the circle, before and after</h1>
<p>Seed ${report.seed}. ${report.seconds.toFixed(0)} seconds after set-up.
The model answered real clients all the while:
${report.background_requests} background requests, ${report.failed_requests} failed.</p>
<table>
<tr><th>held-out accuracy, greedy</th><th>before</th><th>after</th><th>paired difference</th></tr>
${accuracyRow('new numbers', report.before, report.after, report.paired)}
${wordingsRow(report)}
</table>
<h2>Learning curve</h2>
${curve(report.curve)}
<h2>Ten answers</h2>
<table>
<tr><th>question</th><th>reference</th><th>before</th><th>after</th></tr>
${report.examples.map(exampleRow).join('\n')}
</table>
<h2>Versions</h2>
<table>
<tr><th>version</th><th>kind</th><th>promoted</th>
<th>engine against trainer, mean |difference| of log-probabilities</th></tr>
${report.versions.map(versionRow).join('\n')}
</table>
</body>
</html>
`;
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const cell = ({ accuracy, n, ci95 }: Proportion): string =>
  `${percent(accuracy)}<br>[${percent(ci95[0])}, ${percent(ci95[1])}] n = ${n}`;
const pairCell = ({ difference, ci95 }: Report['paired']): string =>
  `${(100 * difference).toFixed(1)} points<br>[${(100 * ci95[0]).toFixed(1)}, ${(100 * ci95[1]).toFixed(1)}]`;

const numberCell = (html: string): string => `<td class="n">${html}</td>`;

function accuracyRow(name: string, before: Proportion, after: Proportion, paired: Report['paired']): string {
  return `<tr><td>${name}</td>${[cell(before), cell(after), pairCell(paired)].map(numberCell).join('')}</tr>`;
}

/** A family without other wordings has no such row. */
function wordingsRow(report: Report): string {
  const { patterns_before: before, patterns_after: after, patterns_paired: paired } = report;
  return before.n === 0 ? '' : accuracyRow('new wordings', before, after, paired);
}

function exampleRow({ question, reference, before, after }: Report['examples'][number]): string {
  const answers = [before, after].map((text) => `<td>${escape(text)}</td>`).join('');
  return `<tr><td>${escape(question)}</td>${numberCell(escape(reference))}${answers}</tr>`;
}

function versionRow({ version, kind, promoted, parity_mean_abs: parity }: Report['versions'][number]): string {
  const named = `${numberCell(String(version))}<td>${escape(kind)}</td><td>${promoted ? 'yes' : ''}</td>`;
  return `<tr>${named}${numberCell(parity?.toExponential(2) ?? '')}</tr>`;
}

function curve(points: readonly CurvePoint[]): string {
  const last = Math.max(1, points.length - 1);
  const x = (at: number): number => PAD + ((WIDTH - 2 * PAD) * at) / last;
  const y = (value: number): number => HEIGHT - PAD - (HEIGHT - 2 * PAD) * value;
  const line = (name: 'reward' | 'heldout'): string => {
    const known = points.flatMap((point, at) =>
      point[name] === null ? [] : [`${x(at).toFixed(1)},${y(point[name]).toFixed(1)}`],
    );
    return `<polyline class="${name}" fill="none" stroke-width="2" points="${known.join(' ')}"/>`;
  };
  const grid = [0, 0.25, 0.5, 0.75, 1]
    .map(
      (value) =>
        `<line x1="${PAD}" x2="${WIDTH - PAD}" y1="${y(value)}" y2="${y(value)}" stroke="#d8dee4"/>` +
        `<text x="4" y="${y(value) + 4}">${100 * value} %</text>`,
    )
    .join('');
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="reward and held-out accuracy by cycle">
${grid}${line('reward')}${line('heldout')}
<text x="${PAD}" y="${HEIGHT - 8}">cycle 1</text>
<text x="${WIDTH - PAD - 50}" y="${HEIGHT - 8}">cycle ${points.length}</text>
<text x="${WIDTH - 300}" y="16" style="fill:#8250df">mean reward of samples</text>
<text x="${WIDTH - 140}" y="16" style="fill:#1a7f37">held-out accuracy</text></svg>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
