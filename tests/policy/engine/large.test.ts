/** Events of an engine that are large: read one a turn, in their order, however their connection hands them over. */
import type { Dispatcher } from 'undici';
import { expect, it } from 'vitest';

import type { PolicyEvent, PolicyRequest } from '../../../src/core/policy.js';
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
function connection(stream: ActionStream, packets: Buffer[]): Dispatcher.DispatchController {
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
  stream.onResponseStart(controller, 200, {});
  flow();
  return controller;
}

const chunk = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;

it.each([
  ['one', [300_000]],
  ['several', [300_000, 3, 200_000, 70_000, 5]],
  ['many small ones', Array.from({ length: 2_000 }, () => 40)],
])('%s', async (_, lengths) => {
  const texts = lengths.map((length, at) => String.fromCharCode(97 + (at % 26)).repeat(length));
  const bytes = Buffer.from(`${texts.map((text) => chunk(text)).join('')}${chunk('', 'stop')}data: [DONE]\n\n`);
  const packets: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += PACKET) packets.push(bytes.subarray(at, at + PACKET));
  const stream = new ActionStream(
    REQUEST,
    ENGINE,
    { answerBytes: 16 * 1024 * 1024, contextLength: undefined, reading: undefined },
    new AbortController().signal,
    (made) => void connection(made, packets),
  );
  const events: PolicyEvent[] = [];
  let next = await stream.next();
  for (; next.done !== true; next = await stream.next()) events.push(next.value);
  const told = events.map((event) => (event.type === 'text' ? event.text : '')).join('');
  expect(told === texts.join('')).toBe(true);
  expect(next.value[0]?.text === texts.join('')).toBe(true);
});
