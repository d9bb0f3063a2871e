/** The official client of the Messages API over a gateway of its own, and what the tests of it ask. */
import Anthropic from '@anthropic-ai/sdk';
import { expect } from 'vitest';

import { inTurn, type Reply } from '../../fakes/engine.js';
import { startGateway, type Gateway, type GatewayOptions } from '../../fakes/gateway.js';

export type Params = Anthropic.MessageCreateParamsNonStreaming;
type Event = Anthropic.RawMessageStreamEvent;

export let gateway: Gateway;
export const startBy = async (options: GatewayOptions): Promise<Anthropic> => {
  gateway = await startGateway(options);
  return new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
};
export const start = (...replies: Reply[]): Promise<Anthropic> => startBy({ script: inTurn(...replies) });

export const ASK: Params = { model: 'gyre', max_tokens: 100, messages: [{ role: 'user', content: 'How many?' }] };
export const WEATHER: Anthropic.Tool = {
  name: 'weather',
  description: 'The weather of a city.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};
export const sum: Reply = {
  text: 'Let me see. ',
  calls: [{ id: 'c1', name: 'calculator', arguments: '{"expression": "1+1"}' }],
};
/** Spacing, order and numbers as no client would write them again. */
export const ODD = '{ "city":"Rome",\n  "days" : 1.50e1 ,"after": {"z": null, "a": [ ] } }';
export const chunk = (delta: unknown): string =>
  `data: ${JSON.stringify({ id: 'e', choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`;

export async function events(stream: AsyncIterable<Event>): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const event of stream) seen.push(event);
  return seen;
}

/** The same question whole and streamed, each of a fresh gateway: what both clients hold, but for the id. */
export async function bothWays(options: GatewayOptions, params: Params): Promise<Record<string, unknown>[]> {
  const answers: Anthropic.Message[] = [];
  for (const stream of [false, true]) {
    if (stream) await gateway.close();
    const client = await startBy(options);
    answers.push(stream ? await client.messages.stream(params).finalMessage() : await client.messages.create(params));
  }
  return answers.map((answer) => {
    const { id, content, container, role, stop_reason, stop_sequence, stop_details, usage, type, model } = answer;
    expect(id).toMatch(/^msg_/);
    return { content, container, role, stop_reason, stop_sequence, stop_details, usage, type, model };
  });
}
