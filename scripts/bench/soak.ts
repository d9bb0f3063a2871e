/**
 * Whether the gateway's memory stays flat: Gyre with its durable log at half of what it can do, for ten minutes,
 * before the canned engine; streams and whole answers side by side.
 *
 *   npm run bench:soak -- [--minutes 10] [--json FILE]
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import type { LoadResult } from './gateway/load.js';
import { endAll, load, startRole, usageOf } from './gateway/processes.js';
import { median, question } from './gateway/question.js';

const SAMPLE_MS = 5_000;
const CONNECTIONS = 16;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, json: { type: 'string' } } });
const seconds = Number(values.minutes) * 60;
const folder = mkdtempSync(join(tmpdir(), 'gyre-soak-'));

try {
  const engine = await startRole('engine', { stream: true, writes: 4 });
  const gateway = await startRole('gyre', { engine: engine.url, data: folder });
  const target = { url: gateway.url, path: '/v1/chat/completions' };
  const most = await load({ ...target, body: question('gyre', true), connections: CONNECTIONS, seconds: 8 });
  const half = most.successes / most.seconds / 2;
  process.stderr.write(
    `at most ${(2 * half).toFixed(0)} streams a second; going on at ${half.toFixed(0)} for ${values.minutes} minutes\n`,
  );

  const before = (await gateway.counts())?.rows ?? 0;
  const began = Date.now();
  const memory: { readonly second: number; readonly mib: number }[] = [];
  const sampling = setInterval(() => {
    memory.push({ second: Math.round((Date.now() - began) / 1000), mib: usageOf(gateway.pid).rss / 1024 / 1024 });
    if (memory.length % 12 === 0)
      process.stderr.write(`${memory.at(-1)?.second ?? 0} s: ${memory.at(-1)?.mib.toFixed(0) ?? ''} MiB\n`);
  }, SAMPLE_MS);
  const results = await Promise.all(
    [true, false].map((stream) =>
      load({ ...target, body: question('gyre', stream), connections: CONNECTIONS / 2, seconds, perSecond: half / 2 }),
    ),
  );
  clearInterval(sampling);
  const rows = ((await gateway.counts())?.rows ?? 0) - before;
  await gateway.stop();
  await engine.stop();

  const sum = (field: (result: LoadResult) => number): number =>
    results.reduce((total, result) => total + field(result), 0);
  const fifth = (at: number): number =>
    median(
      memory
        .slice(Math.floor((memory.length * at) / 5), Math.floor((memory.length * (at + 1)) / 5))
        .map(({ mib }) => mib),
    );
  const report = {
    minutes: Number(values.minutes),
    perSecond: sum(({ successes }) => successes) / seconds,
    successes: sum(({ successes }) => successes),
    errors: sum(({ errors }) => errors),
    missingRows: Math.max(0, sum(({ successes }) => successes) - rows),
    p99: results.map(({ p99 }) => p99),
    fifthsMiB: [0, 1, 2, 3, 4].map(fifth),
    databaseMiB: statSync(join(folder, 'gyre.db')).size / 1024 / 1024,
    memory,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  const mib = report.fifthsMiB.map((value) => value.toFixed(0)).join(', ');
  process.stdout.write(
    `${report.successes} answers, ${report.errors} errors, ${report.missingRows} rows missing; resident memory ` +
      `by fifths of the time: ${mib} MiB; database ${report.databaseMiB.toFixed(0)} MiB\n`,
  );
} finally {
  endAll();
  rmSync(folder, { recursive: true, force: true });
}
