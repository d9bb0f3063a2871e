/** What is said in a conversation: on no span, or on the spans where the operator asks for it. */
import { describe, expect, it } from 'vitest';

import type { Key } from '../../src/core/key.js';
import { CONTENT, PLAIN } from '../../src/telemetry/attributes.js';
import { inTurn } from '../fakes/engine.js';
import { fixedKeys } from '../run/rows.js';
import { CAPTURE, telemetryBench } from './fixture.js';

const bench = telemetryBench();
const { start, sent, span } = bench;

describe('what is said', () => {
  const KEY: Key = { id: 'key-ann', role: 'client', train: true };
  const KEYS = fixedKeys((secret) => (secret === 'gyre_sk_verysecret' ? KEY : undefined));
  const SAID = {
    model: 'gyre',
    stop: ['Stopword'],
    metadata: { team: 'Teamword' },
    user: 'Userword',
    messages: [
      { role: 'system', content: 'Systemword rules.' },
      { role: 'user', content: 'Promptword?' },
    ],
    tools: [
      { type: 'gyre:calculator' },
      { type: 'function', function: { name: 'lookup', description: 'Toolword', parameters: { type: 'object' } } },
    ],
  };
  // Numbers long enough to stand in no time or id by chance.
  const CALLING = {
    text: 'Thinkword',
    calls: [{ id: 'call-9', name: 'calculator', arguments: '{"expression":"12345678+43212345"}' }],
  };
  const SAYING = { text: ['Answerword ', 'done'] };
  const ask = async (): Promise<void> => {
    const response = await bench.gateway.post(SAID, {
      headers: { authorization: 'Bearer gyre_sk_verysecret', cookie: 'session=Cookieword' },
    });
    expect(response.status).toBe(200);
    await response.text();
    await bench.gateway.post(SAID, { headers: { authorization: 'Bearer wrongsecret' } });
    await sent();
  };

  it('is in nothing that is exported, and neither is a key, unless it is asked for', async () => {
    await start(
      { script: inTurn(CALLING, SAYING), deps: { keys: KEYS } },
      { OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=collectorsecret' },
    );
    await ask();
    const all = bench.collector.bodies.join('\n');
    expect(all.length).toBeGreaterThan(2_000);
    for (const word of [
      'Systemword',
      'Promptword',
      'Stopword',
      'Teamword',
      'Userword',
      'Toolword',
      'Thinkword',
      '12345678',
      '55558023',
      'Answerword',
      'Cookieword',
      'verysecret',
      'wrongsecret',
      'collectorsecret',
      'Bearer',
      'key-ann',
    ])
      expect(all).not.toContain(word);
    const carried = new Set(
      [...bench.collector.spans, ...bench.collector.points].flatMap(({ attributes }) => Object.keys(attributes)),
    );
    expect([...carried].filter((name) => !(PLAIN as readonly string[]).includes(name))).toEqual([]);
    // The process, its owner and its command line are nobody's business either.
    expect(new Set(bench.collector.resources.flatMap((resource) => Object.keys(resource)))).toEqual(
      new Set([
        'service.name',
        'service.version',
        'telemetry.sdk.language',
        'telemetry.sdk.name',
        'telemetry.sdk.version',
      ]),
    );
  });

  it('is on the spans in the shape of the conventions where it is asked for; keys never are', async () => {
    await start({ script: inTurn(CALLING, SAYING), deps: { keys: KEYS } }, CAPTURE);
    await ask();
    const said = (name: string, at: number): unknown =>
      JSON.parse(
        String(bench.collector.spans.filter((each) => each.name === 'chat gyre')[at]?.attributes[name]),
      ) as unknown;
    expect(said('gen_ai.system_instructions', 0)).toEqual([{ type: 'text', content: 'Systemword rules.' }]);
    expect(said('gen_ai.input.messages', 0)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'Promptword?' }] },
    ]);
    expect(said('gen_ai.output.messages', 0)).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'Thinkword' },
          { type: 'tool_call', id: 'call-9', name: 'calculator', arguments: { expression: '12345678+43212345' } },
        ],
      },
    ]);
    expect(said('gen_ai.tool.definitions', 0)).toEqual([
      { type: 'function', name: 'lookup', description: 'Toolword', parameters: { type: 'object' } },
      { type: 'function', name: 'calculator', parameters: { type: 'object' } },
    ]);
    expect(said('gen_ai.input.messages', 1)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'Promptword?' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: 'Thinkword' },
          { type: 'tool_call', id: 'call-9', name: 'calculator', arguments: { expression: '12345678+43212345' } },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call-9', response: '55558023' }] },
    ]);
    expect(said('gen_ai.output.messages', 1)).toEqual([
      { role: 'assistant', parts: [{ type: 'text', content: 'Answerword done' }] },
    ]);
    expect(span('chat gyre').attributes['gen_ai.request.stop_sequences']).toEqual(['Stopword']);
    expect(span('execute_tool calculator').attributes).toMatchObject({
      'gen_ai.tool.call.arguments': '{"expression":"12345678+43212345"}',
      'gen_ai.tool.call.result': '55558023',
    });
    const carried = new Set(bench.collector.spans.flatMap(({ attributes }) => Object.keys(attributes)));
    expect([...carried].filter((name) => ![...PLAIN, ...CONTENT].some((known) => known === name))).toEqual([]);
    for (const word of ['verysecret', 'wrongsecret', 'Bearer', 'Cookieword'])
      expect(bench.collector.bodies.join('\n')).not.toContain(word);
  });

  it('is redacted here as in the log', async () => {
    await start({ script: inTurn(CALLING, SAYING), deps: { keys: KEYS } }, CAPTURE, ['Promptword', '\\d{4}']);
    await ask();
    const all = bench.collector.bodies.join('\n');
    for (const word of ['Promptword', '12345678', '43212345', '55558023']) expect(all).not.toContain(word);
    expect(all).toContain('[redacted]?');
  });
});
