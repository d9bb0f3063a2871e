/** Every name telemetry has is one of the conventions' or begins with ours; none is one they have given up. */
import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { CONTENT, PLAIN } from '../../src/telemetry/attributes.js';
import { inTurn } from '../fakes/engine.js';
import { FILES, read } from '../guards/tree.js';
import { ATTRIBUTES, GENERAL, GONE, METRICS, NOT_OF_AN_AGENT } from './conventions.js';
import { ANSWER, ASK, CALL, CAPTURE, telemetryBench } from './fixture.js';

const bench = telemetryBench();
const { start, sent, span } = bench;

const isKnown = (name: string): boolean =>
  ATTRIBUTES.includes(name) || GENERAL.includes(name) || name.startsWith('gyre.');

it('the attributes that may be set are those of the conventions, and our own', () => {
  expect([...PLAIN, ...CONTENT].filter((name) => !isKnown(name))).toEqual([]);
});

it('what is sent of a request with all there is has no other name, instrument or unit', async () => {
  await start({ script: inTurn(CALL, ANSWER, { status: 500 }) }, CAPTURE);
  await bench.gateway.post({ ...ASK, stop: ['END'], top_k: 4, n: 1, seed: 1 });
  await bench.gateway.post(ASK);
  await bench.gateway.post({ nonsense: true });
  await sent();
  const { spans, points } = bench.collector;
  expect(spans.length).toBeGreaterThan(5);
  const attributes = [...spans, ...points].flatMap((each) => Object.keys(each.attributes));
  expect([...new Set(attributes)].filter((name) => !isKnown(name))).toEqual([]);
  const sentMetrics = Object.fromEntries(points.map(({ name, kind, unit }) => [name, `${kind} ${unit}`]));
  expect(Object.keys(sentMetrics).length).toBeGreaterThan(10);
  for (const [name, as] of Object.entries(sentMetrics)) expect([name, as]).toEqual([name, METRICS[name]]);
  for (const name of NOT_OF_AN_AGENT) expect(span('invoke_agent gyre').attributes).not.toHaveProperty([name]);
});

it('a name that is gone stands nowhere', () => {
  const said = FILES.filter((file) => /^(src|docs|grafana|scripts|README)/.test(file));
  expect(said.length).toBeGreaterThan(100);
  const gone = new RegExp(`(?<![\\w.])(?:${GONE.map((name) => name.replaceAll('.', '[._]')).join('|')})(?![\\w.])`);
  expect('of gen_ai.token.type, gen_ai.system').toMatch(gone);
  expect('gen_ai.system_instructions gen_ai.token.modality').not.toMatch(gone);
  expect(said.filter((file) => gone.test(read(file)))).toEqual([]);
});

it('the page names every metric', () => {
  const page = readFileSync(new URL('../../docs/operating.md', import.meta.url), 'utf8');
  const emitted = readFileSync(new URL('../../src/telemetry/instruments.ts', import.meta.url), 'utf8');
  const names = Object.keys(METRICS).filter((name) => emitted.includes(`'${name}'`));
  expect(names.length).toBeGreaterThan(10);
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
