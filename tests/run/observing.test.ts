/** Who watches requests: nobody by default, and a fault of one that watches reaches nobody's answer. */
import { afterEach, describe, expect, it } from 'vitest';

import { guarded, openObserving } from '../../src/run/observing.js';
import { openOutput } from '../../src/run/lines/output.js';
import { parseConfig } from '../../src/core/config.js';
import type { Observer, Watch } from '../../src/core/observe.js';
import { startCollector } from '../fakes/collector.js';
import { inTurn, startEngine } from '../fakes/engine.js';
import { startGateway, until, type Gateway } from '../fakes/gateway.js';
import { startServe } from '../fakes/serve.js';

let gateway: Gateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };
const SCRIPT = inTurn({ calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }] }, { text: 'two' });

/** Writes down what it is told. */
function listening(told: string[], faults: readonly string[] = []): Observer {
  const tell = (what: string): void => {
    told.push(what);
    if (faults.includes(what)) throw new Error(`bad ${what}`);
  };
  const watch: Watch = {
    accepted: ({ model }) => tell(`accepted ${model}`),
    policy(policy) {
      tell('policy');
      return policy;
    },
    tool: ({ name }) => tell(`tool ${name}`),
    ended: ({ outcome }) => tell(`ended ${outcome}`),
    closed: (status, delivered) => tell(`closed ${status ?? ''} ${delivered}`),
  };
  return {
    arrived(_arrival, route) {
      tell(`arrived ${route}`);
      return watch;
    },
  };
}

describe('whoever watches', () => {
  it('is told of a request in order, its close last', async () => {
    const told: string[] = [];
    gateway = await startGateway({ script: SCRIPT, deps: { observer: listening(told) } });
    await gateway.client.chat.completions.create(ASK);
    await until(() => told.length === 6, 'the close');
    expect(told).toEqual([
      'arrived /v1/chat/completions',
      'accepted gyre',
      'policy',
      'tool calculator',
      'ended completed',
      'closed 200 delivered',
    ]);
  });

  it.each([
    'arrived /v1/chat/completions',
    'accepted gyre',
    'policy',
    'tool calculator',
    'ended completed',
    'closed 200 delivered',
  ])('and fails at "%s" changes no answer and silences no other', async (fault) => {
    const [bad, good]: [string[], string[]] = [[], []];
    const failures: unknown[] = [];
    gateway = await startGateway({
      script: SCRIPT,
      deps: { observer: guarded([listening(bad, [fault]), listening(good)], (thrown) => failures.push(thrown)) },
    });
    expect((await gateway.client.chat.completions.create(ASK)).choices[0]?.message.content).toBe('two');
    await until(() => good.length === 6, 'the close');
    expect(failures).toEqual([new Error(`bad ${fault}`)]);
    expect(bad.at(-1)).toBe(fault);
    expect(gateway.logged[0]?.ending?.outcome).toBe('completed');
  });
});

describe('without a variable that asks for it', () => {
  const output = async (env: Readonly<Record<string, string>>): ReturnType<typeof openOutput> =>
    openOutput({ GYRE_LOG: 'text', ...env }, { stdout: { write: () => true }, stderr: { write: () => true } });

  it.each<[string, Readonly<Record<string, string>>]>([
    ['none', {}],
    ['a sampler alone', { OTEL_TRACES_SAMPLER: 'always_on' }],
    ['an empty address', { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }],
    [
      'an address, and the SDK disabled',
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_SDK_DISABLED: 'true' },
    ],
  ])('nobody watches: %s', async (_name, env) => {
    const observing = await openObserving(env, parseConfig({}), await output(env));
    expect(observing).not.toHaveProperty('observer');
    expect(observing.telemetry).toBe(false);
    await observing.close();
  });
});

describe('a gateway with an address for its telemetry', () => {
  it('has sent all of it when it has ended', async () => {
    const collector = await startCollector();
    const engine = await startEngine({ script: inTurn({ text: 'fine' }) });
    try {
      const serving = await startServe({
        engine: engine.url,
        env: {
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
          OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
        },
      });
      const answer = await fetch(`${serving.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(ASK) });
      expect(answer.status).toBe(200);
      await answer.text();
      expect(collector.spans).toEqual([]);
      expect(await serving.stop()).toBe(0);
      expect(collector.spans.map(({ name }) => name).sort()).toEqual([
        'POST /v1/chat/completions',
        'chat gyre',
        'invoke_agent gyre',
      ]);
      expect(collector.spans.find(({ name }) => name === 'chat gyre')?.attributes['gen_ai.provider.name']).toBe(
        'openai',
      );
      expect(collector.paths.sort()).toEqual(['/v1/metrics', '/v1/traces']);
    } finally {
      await engine.close();
      await collector.close();
    }
  });

  it('speaks protobuf where it is told nothing else', async () => {
    const collector = await startCollector();
    const engine = await startEngine({ script: inTurn({ text: 'fine' }) });
    try {
      const serving = await startServe({ engine: engine.url, env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
      await (await fetch(`${serving.url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(ASK) })).text();
      expect(await serving.stop()).toBe(0);
      expect(collector.paths.sort()).toEqual(['/v1/metrics', '/v1/traces']);
      expect(collector.bodies.join('')).toContain('invoke_agent gyre');
    } finally {
      await engine.close();
      await collector.close();
    }
  });
});
