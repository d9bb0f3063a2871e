/** What Prometheus reads: that it can, what is counted, and that nobody outside can make up a label. */
import { afterEach, describe, expect, it, vi } from 'vitest';

import { alarmsOf, type Update } from '../../../src/core/learning/alarms.js';
import { Histogram } from '../../../src/http/numbers/histogram.js';
import { inTurn } from '../../fakes/engine.js';
import { parseExposition, type Family } from '../../fakes/exposition.js';
import { startGateway, tool, until, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

let gateway: Gateway | undefined;
const start = async (options: GatewayOptions = {}): Promise<Gateway> => (gateway = await startGateway(options));
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

const ASK = { model: 'gyre', messages: [{ role: 'user' as const, content: 'hi' }] };
const read = async (): Promise<Map<string, Family>> =>
  parseExposition(await (await fetch(`${gateway?.url ?? ''}/metrics`)).text());
const value = (
  families: Map<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined => {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  return family?.samples.find(
    (sample) => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels),
  )?.value;
};

describe('/metrics', () => {
  it('can be read, empty and full, and every family begins with gyre_ and says what it is', async () => {
    const { client } = await start({
      script: inTurn({ calls: [{ name: 'calculator', arguments: '{"expression":"1+1"}' }] }, { text: 'two' }),
    });
    for (const families of [await read(), await client.chat.completions.create(ASK).then(read)]) {
      expect([...families.keys()].filter((name) => !name.startsWith('gyre_'))).toEqual([]);
      expect([...families.values()].filter(({ help }) => help.length < 10)).toEqual([]);
      expect(families.size).toBeGreaterThan(14);
    }
  });

  it('tells how long a request took, how fast tokens came, and how long the log was waited for', async () => {
    const { client } = await start({ script: inTurn({ text: 'one two three', delayMs: 5 }) });
    await client.chat.completions.create(ASK);
    const families = await read();
    expect(value(families, 'gyre_request_seconds_count', { route: '/v1/chat/completions' })).toBe(1);
    expect(value(families, 'gyre_request_seconds_sum', { route: '/v1/chat/completions' })).toBeGreaterThan(0.005);
    expect(value(families, 'gyre_time_per_output_token_seconds_count')).toBe(1);
    expect(value(families, 'gyre_time_per_output_token_seconds_sum')).toBeGreaterThan(0);
    expect(value(families, 'gyre_log_commit_wait_seconds_count')).toBe(1);
    expect(value(families, 'gyre_in_flight_limit')).toBe(256);
  });

  it('counts tokens by kind', async () => {
    const { client } = await start({
      script: inTurn({ text: 'x', usage: { prompt: 100, completion: 7, cached: 64, reasoning: 3 } }),
    });
    await client.chat.completions.create(ASK);
    await client.chat.completions.create(ASK);
    const families = await read();
    expect(
      ['prompt', 'completion', 'cached', 'reasoning'].map((kind) => value(families, 'gyre_tokens_total', { kind })),
    ).toEqual([200, 14, 128, 6]);
  });

  it('counts what became of a response apart from what became of the run', async () => {
    const { post } = await start({ script: inTurn({ text: 'one two three', stall: 2 }, { text: 'fine' }) });
    const leaving = new AbortController();
    const left = post(ASK, { signal: leaving.signal });
    left.catch(() => undefined);
    await until(() => gateway?.engine.requests.length === 1, 'the engine to be asked');
    leaving.abort();
    await until(() => gateway?.app.inFlight() === 0, 'the end');
    await (await post(ASK)).text();
    await vi.waitFor(async () =>
      expect(value(await read(), 'gyre_deliveries_total', { outcome: 'delivered' })).toBe(1),
    );
    const families = await read();
    expect(value(families, 'gyre_answers_total', { outcome: 'cancelled', stop_reason: 'client_abort' })).toBe(1);
    expect(value(families, 'gyre_deliveries_total', { outcome: 'not_started' })).toBe(1);
    expect(value(families, 'gyre_requests_total', { route: '/v1/chat/completions', status: '499' })).toBe(1);
  });

  it('times tools that ran, and counts the faults of those and of refused ones', async () => {
    const calls = [
      { name: 'calculator', arguments: '{"expression":"x+y"}' },
      { name: 'calculator', arguments: '{"expression":"1+1"}' },
      { name: 'calculator', arguments: '{"expression":"2+2"}' },
    ];
    const { client } = await start({
      config: { limits: { tool_calls: 2 } },
      script: inTurn({ calls }, { text: 'done' }),
    });
    await client.chat.completions.create(ASK);
    const families = await read();
    expect(value(families, 'gyre_tool_seconds_count', { tool: 'calculator' })).toBe(2);
    expect(value(families, 'gyre_tool_faults_total', { tool: 'calculator', error: 'failed' })).toBe(1);
    expect(value(families, 'gyre_tool_faults_total', { tool: 'calculator', error: 'limit' })).toBe(1);
  });

  it('tells of the learning clock where there is one', async () => {
    await start({ deps: { learning: () => ({ head: 4, cycles: { running: 1, done: 3, failed: 0, skipped: 0 } }) } });
    gateway?.app.metrics.swapped();
    const families = await read();
    expect(value(families, 'gyre_head_version')).toBe(4);
    expect(['running', 'done', 'failed'].map((state) => value(families, 'gyre_learning_cycles', { state }))).toEqual([
      1, 3, 0,
    ]);
    expect(value(families, 'gyre_swaps_total')).toBe(1);
  });

  it('tells of the newest update, and of nothing that was not measured', async () => {
    const numbers = {
      kl_before: 0.02,
      kl_base: 1.5,
      ratio_histogram: { edges: [0.5, 2], tokens: [1, 20, 3] },
      drawn: { samples: 80, mean_length: 41, cut: 0, parse_failures: 0.1, callable: 0 },
    };
    let update: Update | undefined;
    const cycles = { running: 0, done: 3, failed: 0, skipped: 0 };
    await start({ deps: { learning: () => ({ head: 4, cycles, update }) } });
    expect(value(await read(), 'gyre_update_kl_before')).toBeUndefined();
    update = { version: 4, numbers, alarms: alarmsOf(numbers) };
    let families = await read();
    expect(value(families, 'gyre_update_kl_before')).toBe(0.02);
    expect(value(families, 'gyre_update_sample_tokens')).toBe(41);
    expect(value(families, 'gyre_update_parse_failures')).toBe(0.1);
    expect(families.get('gyre_update_entropy')?.samples).toEqual([]);
    expect(families.get('gyre_update_tool_call_rate')?.samples).toEqual([]);
    expect(['0.5', '2', '+Inf'].map((le) => value(families, 'gyre_update_ratio_tokens', { le }))).toEqual([1, 21, 24]);
    expect(value(families, 'gyre_update_alarm', { alarm: 'kl_base' })).toBe(1);
    expect(value(families, 'gyre_update_alarm', { alarm: 'entropy' })).toBe(0);
    update = { version: 5, numbers: { entropy: 0.2 }, alarms: [] };
    families = await read();
    expect(value(families, 'gyre_update_entropy')).toBe(0.2);
    expect(families.get('gyre_update_kl_before')?.samples).toEqual([]);
    expect(families.get('gyre_update_ratio_tokens')?.samples).toEqual([]);
    expect(value(families, 'gyre_update_alarm', { alarm: 'kl_base' })).toBe(0);
  });

  it('has no label that a client or a policy made up', async () => {
    const odd = Array.from({ length: 20 }, (_, at) => `made_up_${at}`);
    const { post, url } = await start({
      script: (request) =>
        request.body.messages.some(({ role }) => role === 'tool')
          ? { text: 'ok' }
          : { calls: odd.slice(0, 3).map((name) => ({ name, arguments: '{}' })) },
    });
    const before = series(await read());
    for (const word of odd) {
      await post(
        { ...ASK, user: word, metadata: { [word]: word } },
        { headers: { 'x-request-id': word, 'user-agent': word } },
      );
      await post({ ...ASK, model: word });
      await post({ ...ASK, [word]: 1 });
      await fetch(`${url}/${word}`, { method: 'POST', body: '{}' });
      await fetch(`${url}/v1/${word}?q=${word}`);
      await fetch(`${url}/gyre/v1/trajectories/${word}`);
      await fetch(`${url}/v1/models/${word}`);
    }
    const after = await read();
    expect(series(after) - before).toBeLessThan(60);
    const labels = [...after.values()].flatMap(({ samples }) =>
      samples.flatMap((sample) => Object.values(sample.labels)),
    );
    expect(labels.filter((label) => label.includes('made_up'))).toEqual([]);
    expect(value(after, 'gyre_tool_faults_total', { tool: '(unknown)', error: 'unknown_tool' })).toBeGreaterThan(0);
  });

  it('spells a tool with an odd name as the format wants it', async () => {
    const name = 'say_"\\';
    const { client } = await start({
      tools: [tool(name, () => 'ok')],
      config: { tools: { default: [name] } },
      script: inTurn({ calls: [{ name, arguments: '{}' }] }, { text: 'x' }),
    });
    await client.chat.completions.create(ASK);
    expect(value(await read(), 'gyre_tool_seconds_count', { tool: 'say_\\"\\\\' })).toBe(1);
  });
});

describe('a histogram', () => {
  it('puts a value on a bound below it, and a larger one than all bounds in the last bucket', () => {
    const histogram = new Histogram({ name: 'gyre_x', help: 'A quantity.', buckets: [1, 2] });
    for (const each of [0, 1, 1.5, 2, 3]) histogram.observe(each);
    expect(histogram.text()).toBe(
      '# HELP gyre_x A quantity.\n# TYPE gyre_x histogram\ngyre_x_bucket{le="1"} 2\ngyre_x_bucket{le="2"} ' +
        '4\ngyre_x_bucket{le="+Inf"} 5\ngyre_x_sum 7.5\ngyre_x_count 5\n',
    );
  });

  it('has a series for every label it met, and none before', () => {
    const histogram = new Histogram({ name: 'gyre_x', help: 'A quantity.', buckets: [1], label: 'tool' });
    expect(histogram.text()).toBe('# HELP gyre_x A quantity.\n# TYPE gyre_x histogram\n');
    histogram.observe(0.5, 'a');
    histogram.observe(2, 'b');
    expect(parseExposition(histogram.text()).get('gyre_x')?.samples).toHaveLength(8);
  });
});

function series(families: Map<string, Family>): number {
  return [...families.values()].reduce((sum, { samples }) => sum + samples.length, 0);
}
