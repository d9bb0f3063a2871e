/**
 * The official Node client, unmodified, over both of its APIs: each test is a cell of the table in docs/clients.md.
 */
import type OpenAI from 'openai';
import { BadRequestError, NotFoundError, RateLimitError } from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startGateway, type Gateway } from '../fakes/gateway.js';
import { FOR_CLIENTS } from '../fakes/scenarios.js';
import { seenBy, type Seen } from '../fakes/seen.js';

const WEATHER = {
  name: 'weather',
  parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'number' } } },
};
const PICTURE = `data:image/png;base64,${'iVBORw0KGgo'.repeat(4)}`;
const CALCULATOR = { type: 'gyre:calculator' };
const weather = (args: string): string => `sunny in ${(JSON.parse(args) as { city: string }).city}`;

let gateway: Gateway;
let seen: Seen;
beforeEach(async () => {
  gateway = await startGateway(FOR_CLIENTS);
  seen = seenBy(gateway);
});
afterEach(async () => gateway.close());

interface More {
  readonly model?: string;
  readonly temperature?: number;
  readonly tools?: readonly unknown[];
}

/** A conversation as the library holds it. */
interface Talk {
  /** Says something, whole or by the library's own accumulator; its answer becomes part of the conversation. */
  ask(words: string, streamed: boolean, more?: More): Promise<string>;
  /** Something said before, as it would be sent again. */
  remember(message: unknown): void;
  /** Runs the call it was answered with and asks again. */
  run(streamed: boolean, more?: More): Promise<string>;
  /** Text as it comes. */
  deltas(words: string): AsyncGenerator<string>;
}

const APIS: Readonly<
  Record<string, { readonly weather: unknown; readonly picture: unknown; talk(client: OpenAI): Talk }>
> = {
  chat: {
    picture: { type: 'image_url', image_url: { url: PICTURE } },
    weather: { type: 'function', function: WEATHER },
    talk(client) {
      const messages: OpenAI.ChatCompletionMessageParam[] = [];
      const go = async (streamed: boolean, more: More): Promise<string> => {
        const body = { model: 'gyre', messages, ...more } as Omit<
          OpenAI.ChatCompletionCreateParamsNonStreaming,
          'stream'
        >;
        const answer = streamed
          ? await client.chat.completions.stream(body).finalChatCompletion()
          : await client.chat.completions.create(body);
        const message = answer.choices[0]?.message;
        if (message !== undefined) messages.push(message);
        return message?.content ?? '';
      };
      return {
        remember: (message) => void messages.push(message as OpenAI.ChatCompletionMessageParam),
        ask(words, streamed, more = {}) {
          messages.push({ role: 'user', content: words });
          return go(streamed, more);
        },
        run(streamed, more = {}) {
          const last = messages.at(-1);
          for (const call of last?.role === 'assistant' ? (last.tool_calls ?? []) : []) {
            if (call.type === 'function')
              messages.push({ role: 'tool', tool_call_id: call.id, content: weather(call.function.arguments) });
          }
          return go(streamed, more);
        },
        async *deltas(words) {
          for await (const chunk of await client.chat.completions.create({
            model: 'gyre',
            messages: [{ role: 'user', content: words }],
            stream: true,
          }))
            yield chunk.choices[0]?.delta.content ?? '';
        },
      };
    },
  },
  responses: {
    picture: { type: 'input_image', image_url: PICTURE },
    weather: { type: 'function', ...WEATHER, strict: null },
    talk(client) {
      const input: OpenAI.Responses.ResponseInput = [];
      const go = async (streamed: boolean, more: More): Promise<string> => {
        const body = { model: 'gyre', input, ...more } as Omit<
          OpenAI.Responses.ResponseCreateParamsNonStreaming,
          'stream'
        >;
        const answer = streamed
          ? await client.responses.stream(body).finalResponse()
          : await client.responses.create(body);
        input.push(...(answer.output as OpenAI.Responses.ResponseInputItem[]));
        return answer.output_text;
      };
      return {
        remember: (message) => void input.push(message as OpenAI.Responses.ResponseInputItem),
        ask(words, streamed, more = {}) {
          input.push({ role: 'user', content: words });
          return go(streamed, more);
        },
        run(streamed, more = {}) {
          for (const item of [...input])
            if (item.type === 'function_call')
              input.push({ type: 'function_call_output', call_id: item.call_id, output: weather(item.arguments) });
          return go(streamed, more);
        },
        async *deltas(words) {
          for await (const event of await client.responses.create({ model: 'gyre', input: words, stream: true }))
            yield event.type === 'response.output_text.delta' ? event.delta : '';
        },
      };
    },
  },
};

describe.each(Object.entries(APIS))('openai (Node), %s:', (_name, api) => {
  const talk = (): Talk => api.talk(gateway.client);

  it('plain', async () => {
    expect(await talk().ask('hi', false)).toBe('Hello from the policy.');
  });

  it('streamed', async () => {
    let said = '';
    for await (const delta of talk().deltas('hi')) said += delta;
    expect(said).toBe('Hello from the policy.');
    expect(await talk().ask('hi', true)).toBe('Hello from the policy.');
  });

  it.each([false, true])('server tool (streamed: %s)', async (streamed) => {
    expect(await talk().ask('SERVER_TOOL', streamed, { tools: [CALCULATOR] })).toBe('The tools say 42.');
    expect(seen.offered()).toEqual(['calculator']);
    expect(seen.calls()).toEqual(['server calculator']);
  });

  it.each([false, true])('own tool (streamed: %s)', async (streamed) => {
    const conversation = talk();
    const more = { tools: [api.weather] };
    expect(await conversation.ask('OWN_TOOL', streamed, more)).toBe('');
    expect(await conversation.run(streamed, more)).toBe('The tools say sunny in Rome.');
    expect(seen.calls()).toEqual(['client weather']);
  });

  it.each([false, true])('mixed (streamed: %s)', async (streamed) => {
    const conversation = talk();
    const more = { tools: [CALCULATOR, api.weather] };
    await conversation.ask('MIXED', streamed, more);
    expect(await conversation.run(streamed, more)).toBe('The tools say 42 and sunny in Rome.');
    expect(await conversation.ask('And now?', streamed, more)).toBe('Hello from the policy.');
    expect(seen.roles()).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant', 'user']);
    seen.isMixed();
  });

  it('image in history', async () => {
    const conversation = talk();
    conversation.remember({ role: 'user', content: [api.picture] });
    conversation.remember({ role: 'assistant', content: 'I see.' });
    expect(await conversation.ask('And now?', false)).toBe('Hello from the policy.');
    seen.isToldOfPicture();
  });

  it('error', async () => {
    const refused = (words: string, more?: More): Promise<unknown> =>
      talk()
        .ask(words, false, more)
        .catch((thrown: unknown) => thrown);
    const [unknown, wrong, busy] = [
      await refused('hi', { model: 'nope' }),
      await refused('hi', { temperature: 9 }),
      await refused('BUSY'),
    ];
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown).toMatchObject({
      code: 'model_not_found',
      message: expect.stringContaining('The model "nope" does not exist') as string,
    });
    expect(wrong).toBeInstanceOf(BadRequestError);
    expect(wrong).toMatchObject({
      param: 'temperature',
      message: expect.stringContaining('Invalid value for "temperature"') as string,
    });
    expect(busy).toBeInstanceOf(RateLimitError);
    expect(busy).toMatchObject({ message: expect.stringContaining('every seat is taken') as string });
    await expect(talk().ask('BROKEN', true)).rejects.toThrow();
  });

  it('cancel', async () => {
    let heard = 0;
    for await (const delta of talk().deltas('SLOW')) if (delta !== '' && (heard += 1) === 3) break;
    await seen.isCancelled();
  });
});
