/**
 * The engine of the process: pointed at an address it answers and counts by the name that engine has for version 0;
 * before that it says why not.
 */
import { afterEach, expect, it } from 'vitest';

import { openEngine, type Engine } from '../../../src/policy/serving/current_engine.js';
import type { Policy } from '../../../src/core/policy.js';
import { startEngine, type Engine as Scripted } from '../../fakes/engine.js';

let engine: Engine;
let scripted: Scripted;
afterEach(async () => {
  await engine.close();
  await scripted.close();
});

const PROMPT = { model: 'base', messages: [{ role: 'user' as const, content: 'one two' }], tools: [] };
const signal = AbortSignal.timeout(5_000);

async function text(policy: Policy): Promise<string> {
  const sampling = policy.sample({ ...PROMPT, toolChoice: 'auto', sampling: {} }, signal);
  for (;;) {
    const next = await sampling.next();
    if (next.done === true) return next.value[0]?.text ?? '';
  }
}

it('samples and counts under the same name', async () => {
  scripted = await startEngine({ models: ['qwen'] });
  engine = openEngine(2_000);
  engine.point({ url: `${scripted.url}/v1`, baseModel: 'qwen' });
  expect(await text(engine.policy)).toBe('ok');
  expect(await engine.counter.count(PROMPT, signal)).toBeGreaterThan(0);
  expect([scripted.requests[0]?.body.model, scripted.counted[0]?.model]).toEqual(['qwen', 'qwen']);
});

it('without an address refuses both with the reason', async () => {
  scripted = await startEngine();
  engine = openEngine(2_000);
  engine.point(undefined, 'vLLM is loading');
  const refused = {
    status: 503,
    code: 'engine_unavailable',
    message: expect.stringContaining('vLLM is loading') as string,
  };
  await expect(engine.counter.count(PROMPT, signal)).rejects.toMatchObject(refused);
  await expect(text(engine.policy)).rejects.toMatchObject(refused);
});
