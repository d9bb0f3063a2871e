/** Anthropic's official Node client, unmodified: each test is a cell of the table in docs/clients.md. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startGateway, type Gateway } from '../fakes/gateway.js';
import { FOR_CLIENTS } from '../fakes/scenarios.js';
import { seenBy, type Seen } from '../fakes/seen.js';

const WEATHER: Anthropic.Tool = {
  name: 'weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'number' } } },
};
const CALCULATOR = { type: 'gyre:calculator' } as unknown as Anthropic.Tool;

let gateway: Gateway;
let client: Anthropic;
let seen: Seen;
beforeEach(async () => {
  gateway = await startGateway(FOR_CLIENTS);
  client = new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
  seen = seenBy(gateway);
});
afterEach(async () => gateway.close());

type More = Partial<Anthropic.MessageCreateParamsNonStreaming>;

const PICTURE: Anthropic.ImageBlockParam = {
  type: 'image',
  source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' },
};

/** A conversation as the library holds it. */
class Talk {
  readonly #messages: Anthropic.MessageParam[] = [];

  remember(message: Anthropic.MessageParam): void {
    this.#messages.push(message);
  }

  async ask(content: Anthropic.MessageParam['content'], streamed: boolean, more: More = {}): Promise<string> {
    this.#messages.push({ role: 'user', content });
    const body = { model: 'gyre', max_tokens: 64, messages: this.#messages, ...more };
    const answer = streamed ? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
    this.#messages.push({ role: 'assistant', content: answer.content });
    return answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  }

  /** Runs the call it was answered with and asks again. */
  run(streamed: boolean, more: More): Promise<string> {
    const last = this.#messages.at(-1)?.content ?? '';
    const results = (typeof last === 'string' ? [] : last).flatMap((block): Anthropic.ToolResultBlockParam[] =>
      block.type === 'tool_use'
        ? [
            {
              type: 'tool_result',
              tool_use_id: block.id,
              content: `sunny in ${(block.input as { city: string }).city}`,
            },
          ]
        : [],
    );
    return this.ask(results, streamed, more);
  }
}

async function* deltas(words: string): AsyncGenerator<string> {
  for await (const event of await client.messages.create({
    model: 'gyre',
    max_tokens: 2_000,
    messages: [{ role: 'user', content: words }],
    stream: true,
  })) {
    yield event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : '';
  }
}

describe.each(['messages'])('Anthropic SDK (Node), %s:', () => {
  it('plain', async () => {
    expect(await new Talk().ask('hi', false)).toBe('Hello from the policy.');
  });

  it('streamed', async () => {
    let said = '';
    for await (const delta of deltas('hi')) said += delta;
    expect(said).toBe('Hello from the policy.');
    expect(await new Talk().ask('hi', true)).toBe('Hello from the policy.');
  });

  it.each([false, true])('server tool (streamed: %s)', async (streamed) => {
    expect(await new Talk().ask('SERVER_TOOL', streamed, { tools: [CALCULATOR] })).toBe('The tools say 42.');
    expect(seen.offered()).toEqual(['calculator']);
    expect(seen.calls()).toEqual(['server calculator']);
  });

  it.each([false, true])('own tool (streamed: %s)', async (streamed) => {
    const talk = new Talk();
    const more = { tools: [WEATHER] };
    expect(await talk.ask('OWN_TOOL', streamed, more)).toBe('');
    expect(await talk.run(streamed, more)).toBe('The tools say sunny in Rome.');
    expect(seen.calls()).toEqual(['client weather']);
  });

  it.each([false, true])('mixed (streamed: %s)', async (streamed) => {
    const talk = new Talk();
    const more = { tools: [CALCULATOR, WEATHER] };
    await talk.ask('MIXED', streamed, more);
    expect(await talk.run(streamed, more)).toBe('The tools say 42 and sunny in Rome.');
    expect(await talk.ask('And now?', streamed, more)).toBe('Hello from the policy.');
    expect(seen.roles()).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant', 'user']);
    seen.isMixed();
  });

  it.each([false, true])('image in history (streamed: %s)', async (streamed) => {
    const talk = new Talk();
    talk.remember({ role: 'user', content: [PICTURE, { type: 'text', text: 'Look.' }] });
    talk.remember({ role: 'assistant', content: 'I see.' });
    expect(await talk.ask('And now?', streamed)).toBe('Hello from the policy.');
    seen.isToldOfPicture();
  });

  it('error', async () => {
    const refused = (words: string, more?: More): Promise<unknown> =>
      new Talk().ask(words, false, more).catch((thrown: unknown) => thrown);
    const [unknown, wrong, busy] = [
      await refused('hi', { model: 'nope' }),
      await refused('hi', { max_tokens: 0 }),
      await refused('BUSY'),
    ];
    expect(unknown).toBeInstanceOf(Anthropic.NotFoundError);
    expect(unknown).toMatchObject({
      message: expect.stringContaining('The model \\"nope\\" does not exist') as string,
    });
    expect(wrong).toBeInstanceOf(Anthropic.BadRequestError);
    expect(wrong).toMatchObject({ message: expect.stringContaining('Invalid value for \\"max_tokens\\"') as string });
    expect(busy).toBeInstanceOf(Anthropic.RateLimitError);
    expect(busy).toMatchObject({ message: expect.stringContaining('every seat is taken') as string });
    await expect(new Talk().ask('BROKEN', true)).rejects.toThrow();
  });

  it('cancel', async () => {
    let heard = 0;
    for await (const delta of deltas('SLOW')) if (delta !== '' && (heard += 1) === 3) break;
    await seen.isCancelled();
  });
});
