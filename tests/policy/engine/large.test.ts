/** Answers of an engine that are large: read in turns, in their order, however their connection hands them over. */
import type { Dispatcher } from 'undici';
import { expect, it } from 'vitest';

import type { Action, PolicyEvent, PolicyRequest } from '../../../src/core/policy.js';
import { ActionStream } from '../../../src/policy/engine/action_stream.js';
import { ENGINE } from '../../../src/policy/engine/fault.js';

const REQUEST: PolicyRequest = {
  model: 'base',
  messages: [{ role: 'user', content: 'hi' }],
  tools: [],
  toolChoice: 'auto',
  sampling: {},
  requestId: 'req_1',
};
const PACKET = 16 * 1024;

/** A connection that hands packets over until it is paused, and goes on inside of `resume`, as undici's does. */
function connection(stream: ActionStream, packets: Buffer[], type?: string): Dispatcher.DispatchController {
  let flowing = false;
  let ended = false;
  const flow = (): void => {
    if (flowing) return;
    flowing = true;
    for (let next = packets[0]; next !== undefined && !controller.paused; next = packets[0]) {
      packets.shift();
      stream.onResponseData(controller, next);
    }
    flowing = false;
    if (packets.length > 0 || controller.paused || ended) return;
    ended = true;
    stream.onResponseEnd();
  };
  const controller = {
    paused: false,
    aborted: false,
    reason: null,
    rawHeaders: null,
    pause: () => void (controller.paused = true),
    resume() {
      controller.paused = false;
      flow();
    },
    abort: () => undefined,
  };
  stream.onRequestStart(controller);
  stream.onResponseStart(controller, 200, type === undefined ? {} : { 'content-type': type });
  flow();
  return controller;
}

function chunk(content: string, finish: string | null = null, more: object = {}): string {
  const choice = { index: 0, delta: { content }, finish_reason: finish, ...more };
  return `data: ${JSON.stringify({ id: 'c', choices: [choice] })}\n\n`;
}

function packetsOf(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += PACKET) packets.push(bytes.subarray(at, at + PACKET));
  return packets;
}

function streamOf(packets: Buffer[], { signal, type, topLogprobs }: Asked = {}): ActionStream {
  return new ActionStream(
    { ...REQUEST, topLogprobs },
    ENGINE,
    { answerBytes: 16 * 1024 * 1024, contextLength: undefined, reading: undefined },
    signal ?? new AbortController().signal,
    (made) => void connection(made, packets, type),
  );
}

interface Asked {
  readonly signal?: AbortSignal;
  readonly type?: string;
  readonly topLogprobs?: number;
}

async function read(stream: ActionStream): Promise<{ events: PolicyEvent[]; action: Action | undefined }> {
  const events: PolicyEvent[] = [];
  let next = await stream.next();
  for (; next.done !== true; next = await stream.next()) events.push(next.value);
  return { events, action: next.value[0] };
}

const told = (events: readonly PolicyEvent[]): string =>
  events.map((event) => (event.type === 'text' ? event.text : '')).join('');

it.each([
  ['one', [300_000]],
  ['several', [300_000, 3, 200_000, 70_000, 5]],
  ['some that are parsed in turns', [3, 3_000_000, 4, 700_000, 600_000, 5]],
  ['many small ones', Array.from({ length: 2_000 }, () => 40)],
])('%s', async (_, lengths) => {
  const texts = lengths.map((length, at) => String.fromCharCode(97 + (at % 26)).repeat(length));
  const packets = packetsOf(`${texts.map((text) => chunk(text)).join('')}${chunk('', 'stop')}data: [DONE]\n\n`);
  const { events, action } = await read(streamOf(packets));
  expect(told(events) === texts.join('')).toBe(true);
  expect(action?.text === texts.join('')).toBe(true);
  expect(packets).toHaveLength(0);
});

const ENTRIES = Array.from({ length: 30_000 }, (_, at) => ({
  token: `tök${at}`,
  logprob: -(at + 1) / 70_001,
  bytes: [1, 2],
  top_logprobs: [],
}));
const LOGPROBS = { logprobs: { content: ENTRIES }, token_ids: ENTRIES.map((__, at) => at) };

/** Turns of the event loop until it is over. */
async function turnsOf(work: Promise<unknown>): Promise<number> {
  let isOver = false;
  const end = (): void => void (isOver = true);
  work.then(end, end);
  let turns = 0;
  for (; !isOver; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  return turns;
}

it('log-probabilities of a long text between small events keep their place and are parsed in turns', async () => {
  const large = chunk('large', null, LOGPROBS);
  const small = { logprobs: { content: [ENTRIES[7]] }, token_ids: [7] };
  const text = `${chunk('a', null, small)}${large}${chunk('b', null, small)}${chunk('', 'stop')}data: [DONE]\n\n`;
  const packets = packetsOf(text);
  const reading = read(streamOf(packets, { topLogprobs: 0 }));
  const turns = await turnsOf(reading);
  const { events, action } = await reading;
  expect(told(events)).toBe('alargeb');
  expect(action?.tokenLogprobs).toEqual([ENTRIES[7], ...ENTRIES, ENTRIES[7]]);
  expect(action?.tokenIds).toEqual([7, ...LOGPROBS.token_ids, 7]);
  // One for each 256 KiB that come, and one for each that are parsed.
  expect(turns).toBeGreaterThanOrEqual(2 * Math.floor(large.length / (256 * 1024)));
});

it.each([
  [
    'in many lines',
    (json: string) =>
      json
        .split(',')
        .map((part, at, all) => `data: ${part}${at < all.length - 1 ? ',' : ''}`)
        .join('\n') + '\n\n',
  ],
  ['with lines that end in both', (json: string) => `data: ${json}\r\n\r\n`],
  ['that nothing ends', (json: string) => `data: ${json}`],
])('a large event %s is the same', async (_, event) => {
  const json = chunk('large', 'stop', { logprobs: { content: ENTRIES } })
    .slice('data: '.length)
    .trim();
  const { events, action } = await read(streamOf(packetsOf(`${chunk('a')}${event(json)}`)));
  expect(told(events)).toBe('alarge');
  expect(action?.logprobs).toEqual(ENTRIES.map(({ logprob }) => logprob));
  expect(action?.finishReason).toBe('stop');
});

it('a large answer that comes whole is parsed in turns, under the name of JSON events too', async () => {
  const message = { choices: [{ index: 0, message: { content: 'whole' }, finish_reason: 'stop', ...LOGPROBS }] };
  for (const text of [
    JSON.stringify(message),
    `${chunk('who', null, LOGPROBS)}${chunk('le', 'stop')}data: [DONE]\n\n`,
  ]) {
    const reading = read(streamOf(packetsOf(text), { type: 'application/json', topLogprobs: 0 }));
    const turns = await turnsOf(reading);
    const { events, action } = await reading;
    expect(told(events)).toBe('whole');
    expect(action?.tokenLogprobs).toEqual(ENTRIES);
    expect(turns).toBeGreaterThanOrEqual(Math.floor(text.length / (256 * 1024)));
  }
});

it.each([
  ['ends early', (json: string) => json.slice(0, -20)],
  ['has a comma too many', (json: string) => json.replace(/\}\]\}$/, '},]}')],
  ['is nested too deep', (json: string) => json.replace(/\}$/, `,"a":${'['.repeat(200)}${']'.repeat(200)}}`)],
])('a large event that %s is a fault of the engine, after what came before it', async (_, wrong) => {
  const json = wrong(chunk('large', 'stop', LOGPROBS).slice('data: '.length).trim());
  const stream = streamOf(packetsOf(`${chunk('a')}data: ${json}\n\n${chunk('b')}`));
  await expect(stream.next()).resolves.toMatchObject({ value: { type: 'start' } });
  await expect(stream.next()).resolves.toMatchObject({ value: { type: 'text', text: 'a' } });
  const fault = await stream.next().catch((thrown: unknown) => thrown);
  expect(fault).toMatchObject({ side: 'engine', status: 502, code: 'engine_garbage' });
  expect((fault as Error).message).toMatch(/not JSON|nested deeper than 100 levels/);
  expect((fault as Error).message.length).toBeLessThan(400);
});

it.each([
  ['aborts', (abort: AbortController) => abort.abort()],
  ['leaves', (_: AbortController, stream: ActionStream) => stream.return([])],
])('nothing more of a large event is read for a client that %s', async (_, leave) => {
  const abort = new AbortController();
  const text = `${chunk('a')}${chunk('large', null, { logprobs: { content: ENTRIES } })}${chunk('b', 'stop')}`;
  const packets = packetsOf(text);
  const stream = streamOf(packets, { signal: abort.signal });
  await stream.next();
  await stream.next();
  const last = stream.next().catch((thrown: unknown) => thrown);
  while (packets.length > 0) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await leave(abort, stream);
  expect(await last).toMatchObject({ code: 'cancelled' });
  expect(stream.isOver).toBe(true);
});
