/**
 * `npm run proof`: can Gyre learn from traffic without answers? Clients ask questions that are bound to no task, and
 * the right answers never come near the gateway: they are known to whoever labels a sample of the steps and errs at one
 * in twenty (`--from labels`), or to users whose thumbs are wrong at one in five (`--from thumbs`). What came of it is
 * asked questions that neither a judge nor the policy has seen, beside the model as it was.
 *
 *   npm run proof -- [--from labels] [--seed 1] [--minutes 15] [--labels 1000] [--wordings same|new] [--uncalibrated]
 *   npm run proof -- --from thumbs [--seed 1] [--minutes 40] [--bad-key]
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { stringify } from 'yaml';

import type { Task } from '../../src/core/learning/task.js';
import type { LearningStatus } from '../../src/core/learning/views.js';
import { seeded } from '../../src/tasks/draw.js';
import { family } from '../demo/family.js';
import { addKey, api, type Gateway, startGateway } from '../demo/gateway.js';
import { byLabels, labelledSettings } from './labelled.js';
import { measure, said } from './measure.js';
import { byThumbs, thumbSettings } from './thumbs.js';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: 'labels' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '15' },
    labels: { type: 'string', default: '1000' },
    wordings: { type: 'string', default: 'same' },
    uncalibrated: { type: 'boolean', default: false },
    'bad-key': { type: 'boolean', default: false },
    out: { type: 'string', default: 'proof-report' },
  },
});
const USERS = ['ann', 'bob', 'cat', 'dan'];

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const number = (name: string, text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} is "${text}"; it must be a number above 0`);
  return value;
};
const oneOf = <T extends string>(name: string, text: string, ...all: readonly T[]): T => {
  const found = all.find((each) => each === text);
  if (found === undefined) throw new Error(`--${name} is "${text}"; it must be one of ${all.join(', ')}`);
  return found;
};

async function main(): Promise<void> {
  const [seed, labels, minutes] = [
    number('seed', values.seed),
    number('labels', values.labels),
    number('minutes', values.minutes),
  ];
  const from = oneOf('from', values.from, 'labels', 'thumbs');
  const wordings = oneOf('wordings', values.wordings, 'same', 'new');
  const out = resolve(values.out);
  const data = join(out, 'data');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });
  const config = join(out, 'gyre.yaml');
  writeFileSync(config, stringify(from === 'labels' ? labelledSettings(labels, values.uncalibrated) : thumbSettings()));
  const folder = ['--data', data, '--config', config];

  const tasks = family(seed, { train: 2 * labels + 1_000, gate: 0, numbers: 200, patterns: 100 });
  const kind = (name: string): Task[] => tasks.filter(({ metadata }) => metadata['kind'] === name);
  const began = performance.now();
  const tell = (line: string): void => print(`${((performance.now() - began) / 60_000).toFixed(1)} min: ${line}`);
  const random = seeded(seed + 1);
  const keys = from === 'thumbs' ? USERS.map((name) => addKey(name, 'client', folder)) : [];
  const badKey = from === 'thumbs' && values['bad-key'] ? addKey('mal', 'client', folder) : undefined;
  const admin = from === 'thumbs' ? addKey('admin', 'admin', folder) : undefined;

  const served = await startGateway(['--port', '0', ...folder, '--learn', 'on'], (line) => print(`  ${line}`));
  const gateway: Gateway = { ...served, key: admin };
  let came: object;
  let versions: readonly number[];
  try {
    if (from === 'labels') {
      const otherWordings = wordings === 'new';
      came = await byLabels(gateway, kind('train'), { labels, minutes, otherWordings, random, tell });
      versions = [(await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status')).head];
    } else {
      const thumbs = await byThumbs(gateway, kind('train'), { minutes, keys, badKey, random, tell });
      const { head } = await api<LearningStatus>(gateway, 'GET', '/gyre/v1/status');
      came = thumbs;
      versions = [...new Set([...thumbs.versions, head])];
    }
  } finally {
    await served.stop();
  }
  const measured = await measure(['--port', '0', ...folder], versions, {
    numbers: kind('numbers'),
    patterns: kind('patterns'),
    key: admin,
  });
  for (const each of measured) for (const line of said(each)) print(line);
  writeFileSync(join(out, 'report.json'), `${JSON.stringify({ ...values, ...came, measured }, null, 2)}\n`);
}

main().catch((fault: unknown) => {
  process.stderr.write(`proof: ${fault instanceof Error ? fault.message : String(fault)}\n`);
  process.exitCode = 1;
});
