/**
 * Whether a gateway stays up: each scene of abuse, one after the other, on one gateway with its defaults. After each
 * one no slot may be missing and its memory must come back; `/health` is asked all the while.
 *
 *   npm run abuse -- [--minutes 10] [--only cancels,"big bodies"]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { startEngine } from '../../tests/fakes/engine.js';
import { COMMAND, endGateway, residentBytes, serveGateway } from '../serve/gateway.js';
import { chat, type Target, targetOf } from './client.js';
import { startProbe } from './probe.js';
import { allSlots, once, SCENES, script, SLOTS } from './scenes.js';

/** What must hold. */
const HEALTH_MS = 100;
const MEMORY_SHARE = 1.2;
/** So long it may take until memory is back. */
const SETTLE_MS = 90_000;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, only: { type: 'string' } } });
const chosen = values.only?.split(',') ?? Object.keys(SCENES);
const unknown = chosen.find((name) => SCENES[name] === undefined);
if (unknown !== undefined) throw new Error(`no scene "${unknown}"; there are ${Object.keys(SCENES).join(', ')}`);

const folder = mkdtempSync(join(tmpdir(), 'gyre-abuse-'));
const engine = await startEngine({ script });
const gateway = await serveGateway(COMMAND, { folder, engine: engine.url, config: 'tools.default: [calculator]\n' });
const target = targetOf(gateway.url);
const pid = gateway.child.pid ?? 0;
let failed = 0;
try {
  for (let round = 0; round < 40; round += 1)
    await Promise.all(Array.from({ length: 50 }, () => once(target, chat('warm'))));
  await allSlots(target);
  await sleep(10_000);
  const before = residentBytes(pid);
  const probe = startProbe(gateway.url);
  for (const name of chosen) {
    engine.requests.length = 0;
    await probe.read();
    const problems = [...((await SCENES[name]?.(target, Number(values.minutes))) ?? [])];
    const health = await probe.read();
    const held = await inFlight(target);
    if (held > 0) problems.push(`${held} slots are taken although nobody asks`);
    const free = await allSlots(target);
    if (free < SLOTS) problems.push(`only ${free} of ${SLOTS} slots can be taken`);
    if (health.max >= HEALTH_MS) problems.push(`/health took ${health.max.toFixed(0)} ms`);
    if (health.failures > 0) problems.push(`/health failed ${health.failures} times`);
    const peak = residentBytes(pid);
    const after = await settled(pid, before * MEMORY_SHARE);
    if (after > before * MEMORY_SHARE) problems.push('memory did not come back');
    failed += problems.length;
    const mib = (bytes: number): string => (bytes / 1024 / 1024).toFixed(0);
    process.stdout.write(
      `${name}: ${held} slots left, /health p99 ${health.p99.toFixed(1)} ms, at most ${health.max.toFixed(1)} ms ` +
        `(${health.count}), MiB ${mib(before)} before, ${mib(peak)} at its end, ${mib(after)} after\n` +
        problems.map((problem) => `  ${problem}\n`).join(''),
    );
  }
  await probe.stop();
  const ended = await endGateway(gateway, 'SIGTERM');
  if (ended !== 0) failed += 1;
  process.stdout.write(`the gateway ended with ${ended}; ${failed} problems\n`);
} finally {
  gateway.child.kill('SIGKILL');
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);

/** Slots that stay taken once all that is over has ended. */
async function inFlight({ host, port }: Target): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    const answer = await fetch(`http://${host}:${port}/health`);
    const { in_flight: held } = (await answer.json()) as { readonly in_flight: number };
    if (held === 0 || tries === 50) return held;
    await sleep(200);
  }
}

async function settled(of: number, enough: number): Promise<number> {
  for (const until = Date.now() + SETTLE_MS; Date.now() < until; await sleep(1_000))
    if (residentBytes(of) <= enough) break;
  return residentBytes(of);
}
