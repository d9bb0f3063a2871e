/** Leases keep their version while the alias moves on under them. */
import { describe, expect, it } from 'vitest';

import { openEngine } from '../../../src/policy/serving/current_engine.js';
import { openServing } from '../../../src/policy/serving/serving.js';

const never = new AbortController().signal;
/** An engine nobody has pointed anywhere: leases ask it nothing. */
const engine = openEngine(1_000);

describe('the alias table', () => {
  it('gives a request the version it began with, whatever is promoted meanwhile', async () => {
    const serving = openServing({ engine, load: () => Promise.resolve() });
    serving.know(1, true);
    const before = await serving.lease('gyre', never);
    serving.setServing(1);
    const after = await serving.lease('gyre', never);
    expect([before.source, before.engineModel, after.source, after.engineModel]).toEqual([
      { kind: 'policy', version: 0 },
      'base',
      { kind: 'policy', version: 1 },
      'gyre-v000001',
    ]);
    expect([serving.inFlight(0), serving.inFlight(1)]).toEqual([1, 1]);
  });

  it('says that a version is drained when its last lease is released, once', async () => {
    const serving = openServing({ engine, load: () => Promise.resolve() });
    const [first, second] = [await serving.lease('gyre@base', never), await serving.lease('gyre@0', never)];
    let drained = false;
    const waiting = serving.drained(0).then(() => (drained = true));
    first.release();
    first.release();
    await Promise.resolve();
    expect(drained).toBe(false);
    second.release();
    await waiting;
    expect(serving.inFlight(0)).toBe(0);
    await serving.drained(99);
  });

  it('loads a dropped version once for all who ask, and again after a failure', async () => {
    let loads = 0;
    const serving = openServing({
      engine,
      versions: [{ version: 3, created: 1 }],
      load: () => (++loads === 1 ? Promise.reject(new Error('no room')) : Promise.resolve()),
    });
    await expect(serving.lease('gyre@3', never)).rejects.toThrow('no room');
    expect(serving.inFlight(3)).toBe(0);
    await Promise.all([serving.lease('gyre@3', never), serving.lease('gyre@3', never)]);
    expect(loads).toBe(2);
    await serving.lease('gyre@3', never);
    expect(loads).toBe(2);
    serving.dropped(3);
    await serving.lease('gyre@3', never);
    expect(loads).toBe(3);
  });

  it('refuses a name it does not know and says which there are', async () => {
    const serving = openServing({ engine, versions: [{ version: 2, created: 1 }], load: () => Promise.resolve() });
    for (const name of ['gpt-4o', 'gyre@9', 'gyre@', 'gyre@02', 'gyre@-1', 'base']) {
      await expect(serving.lease(name, never)).rejects.toMatchObject({
        status: 404,
        code: 'model_not_found',
        message: expect.stringContaining('gyre, gyre@base, gyre@2') as string,
      });
    }
  });

  it("serves another server's own model as version 0", async () => {
    const serving = openServing({ engine, baseModel: 'qwen3', load: () => Promise.resolve() });
    expect((await serving.lease('gyre', never)).engineModel).toBe('qwen3');
    expect(serving.models().map((model) => model.id)).toEqual(['gyre', 'gyre@base']);
  });

  it('gives nothing to a caller who has left while the weights were loaded', async () => {
    const abort = new AbortController();
    const serving = openServing({
      engine,
      versions: [{ version: 1, created: 1 }],
      load: () => Promise.resolve(abort.abort()),
    });
    await expect(serving.lease('gyre@1', abort.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(serving.inFlight(1)).toBe(0);
  });
});

describe('a canary', () => {
  const messages = [{ role: 'user', content: 'Hello' }] as const;

  it('that cannot be loaded answers nobody, and nobody is refused', async () => {
    const serving = openServing({
      engine,
      versions: [{ version: 3, created: 1 }],
      load: () => Promise.reject(new Error('no room')),
    });
    serving.setCanary({ id: 'can-1', version: 3, share: 1, salt: 's' });
    const lease = await serving.lease('gyre', never, messages);
    expect(lease.source).toEqual({ kind: 'policy', version: 0 });
    expect([serving.inFlight(0), serving.inFlight(3)]).toEqual([1, 0]);
    lease.release();
    expect(serving.inFlight(0)).toBe(0);
  });

  it('answers only what names the alias and is a conversation', async () => {
    const serving = openServing({ engine, load: () => Promise.resolve() });
    serving.know(1, true);
    serving.setCanary({ id: 'can-1', version: 1, share: 1, salt: 's' });
    const of = async (model: string, said?: typeof messages): Promise<unknown> =>
      (await serving.lease(model, never, said)).source;
    expect(await of('gyre', messages)).toEqual({ kind: 'policy', version: 1 });
    expect(await of('gyre')).toEqual({ kind: 'policy', version: 0 });
    expect(await of('gyre@base', messages)).toEqual({ kind: 'policy', version: 0 });
    serving.setCanary(undefined);
    expect(await of('gyre', messages)).toEqual({ kind: 'policy', version: 0 });
  });
});
