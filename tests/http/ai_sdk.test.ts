/**
 * The Vercel AI SDK, unmodified, by each of its providers that speak to us: each test is a cell of the table in
 * docs/clients.md.
 */
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  APICallError,
  generateText,
  RetryError,
  stepCountIs,
  streamText,
  tool as aiTool,
  type LanguageModel,
  type ModelMessage,
  type ToolSet,
} from 'ai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';

import { startGateway, type Gateway } from '../fakes/gateway.js';
import { FOR_CLIENTS } from '../fakes/scenarios.js';
import { seenBy, type Seen } from '../fakes/seen.js';

Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });

let gateway: Gateway;
let seen: Seen;
beforeEach(async () => {
  gateway = await startGateway(FOR_CLIENTS);
  seen = seenBy(gateway);
});
afterEach(async () => gateway.close());

/**
 * Its schema has another order than the policy's arguments: what the library read and checked it sends back in its own.
 */
const weather = aiTool({
  description: 'The weather.',
  inputSchema: z.object({ city: z.string(), days: z.number() }),
  execute: ({ city }) => `sunny in ${city}`,
});

interface Provider {
  /**
   * With `named`, the tools of a request are those and the calculator's entry, where the library has a way to say so.
   */
  model(name: string, named?: boolean): LanguageModel;
  readonly names: boolean;
  /** A setting that the library passes on and the gateway refuses, and its field. */
  readonly wrong?: readonly [{ readonly topK: number }, field: string];
}

const openai = (): ReturnType<typeof createOpenAI> => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'any' });
const anthropic = (): ReturnType<typeof createAnthropic> =>
  createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey: 'any' });
const PROVIDERS: Readonly<Record<string, Provider>> = {
  'AI SDK, openai.chat': { model: (name) => openai().chat(name), names: false },
  'AI SDK, openai.responses': { model: (name) => openai().responses(name), names: false },
  'AI SDK, openai-compatible': {
    model: (name, named = false) =>
      createOpenAICompatible({
        name: 'gyre',
        baseURL: `${gateway.url}/v1`,
        includeUsage: true,
        ...(named
          ? {
              transformRequestBody: (body: Record<string, unknown>) => ({
                ...body,
                tools: [...((body['tools'] as unknown[] | undefined) ?? []), { type: 'gyre:calculator' }],
              }),
            }
          : {}),
      })(name),
    names: true,
  },
  // It keeps the temperature within the bounds of its own service.
  'AI SDK, anthropic': { model: (name) => anthropic()(name), names: false, wrong: [{ topK: -1 }, 'top_k'] },
};

interface Answered {
  readonly text: string;
  readonly messages: readonly ModelMessage[];
  readonly tokens: number | undefined;
}

async function ask(
  model: LanguageModel,
  messages: ModelMessage[],
  streamed: boolean,
  more: { tools?: ToolSet; temperature?: number; topK?: number } = {},
): Promise<Answered> {
  const body = { model, messages, stopWhen: stepCountIs(4), maxRetries: 0, ...more };
  if (!streamed) {
    const { text, response, totalUsage } = await generateText(body);
    return { text, messages: [...messages, ...response.messages], tokens: totalUsage.totalTokens };
  }
  let fault: unknown;
  const result = streamText({ ...body, onError: ({ error }) => void (fault = error) });
  await result.consumeStream();
  if (fault !== undefined) throw Object.assign(new Error('the stream failed'), { cause: fault });
  return {
    text: await result.text,
    messages: [...messages, ...(await result.response).messages],
    tokens: (await result.totalUsage).totalTokens,
  };
}

const said = (content: string): ModelMessage => ({ role: 'user', content });
const refusal = (work: Promise<unknown>): Promise<unknown> => work.catch((thrown: unknown) => thrown);

describe.each(Object.entries(PROVIDERS))(
  '%s:',
  (_name, { model, names, wrong: bad = [{ temperature: 9 }, 'temperature'] }) => {
    it('plain', async () => {
      expect(await ask(model('gyre'), [said('hi')], false)).toMatchObject({
        text: 'Hello from the policy.',
        tokens: expect.any(Number) as number,
      });
    });

    it('streamed', async () => {
      expect(await ask(model('gyre'), [said('hi')], true)).toMatchObject({
        text: 'Hello from the policy.',
        tokens: expect.any(Number) as number,
      });
    });

    it.each([false, true])('server tool (streamed: %s)', async (streamed) => {
      expect((await ask(model('gyre', names), [said('SERVER_TOOL')], streamed)).text).toBe('The tools say 42.');
      expect(seen.offered()).toEqual(names ? ['calculator'] : ['calculator', 'shout']);
      expect(seen.calls()).toEqual(['server calculator']);
    });

    it.each([false, true])('own tool (streamed: %s)', async (streamed) => {
      expect((await ask(model('gyre'), [said('OWN_TOOL')], streamed, { tools: { weather } })).text).toBe(
        'The tools say sunny in Rome.',
      );
      expect(seen.calls()).toEqual(['client weather']);
    });

    it.each([false, true])('mixed (streamed: %s)', async (streamed) => {
      const answered = await ask(model('gyre', names), [said('MIXED')], streamed, { tools: { weather } });
      expect(answered.text).toBe('The tools say 42 and sunny in Rome.');
      expect(
        (await ask(model('gyre', names), [...answered.messages, said('And now?')], streamed, { tools: { weather } }))
          .text,
      ).toBe('Hello from the policy.');
      expect(seen.roles()).toEqual(['user', 'assistant', 'tool', 'tool', 'assistant', 'user']);
      seen.isMixed();
    });

    it.each([false, true])('image in history (streamed: %s)', async (streamed) => {
      const look = { type: 'image' as const, image: 'iVBORw0KGgo=', mediaType: 'image/png' };
      const history: ModelMessage[] = [
        { role: 'user', content: [look, { type: 'text', text: 'Look.' }] },
        { role: 'assistant', content: 'I see.' },
      ];
      expect((await ask(model('gyre'), [...history, said('And now?')], streamed)).text).toBe('Hello from the policy.');
      seen.isToldOfPicture();
    });

    it('error', async () => {
      const [unknown, wrong, busy] = [
        await refusal(ask(model('nope'), [said('hi')], false)),
        await refusal(ask(model('gyre'), [said('hi')], false, bad[0])),
        await refusal(ask(model('gyre'), [said('BUSY')], false)),
      ];
      for (const fault of [unknown, wrong, busy]) expect(APICallError.isInstance(fault)).toBe(true);
      expect(unknown).toMatchObject({
        statusCode: 404,
        isRetryable: false,
        message: expect.stringContaining('The model "nope" does not exist') as string,
      });
      expect(wrong).toMatchObject({
        statusCode: 400,
        isRetryable: false,
        message: expect.stringContaining(`Invalid value for "${bad[1]}"`) as string,
      });
      expect(busy).toMatchObject({
        statusCode: 429,
        isRetryable: true,
        message: expect.stringContaining('every seat is taken') as string,
      });
      expect(await refusal(ask(model('gyre'), [said('BUSY')], true))).toMatchObject({ cause: { statusCode: 429 } });
      expect(JSON.stringify(((await refusal(ask(model('gyre'), [said('BROKEN')], true))) as Error).cause)).toContain(
        'broke the connection',
      );
      // Left to itself it tries what may be tried again, by what our headers say.
      const before = gateway.engine.requests.length;
      expect(
        RetryError.isInstance(await refusal(generateText({ model: model('gyre'), prompt: 'BUSY', maxRetries: 1 }))),
      ).toBe(true);
      expect(gateway.engine.requests).toHaveLength(before + 2);
    });

    it('cancel', async () => {
      const abort = new AbortController();
      let heard = 0;
      const parts: string[] = [];
      for await (const part of streamText({ model: model('gyre'), prompt: 'SLOW', abortSignal: abort.signal })
        .fullStream) {
        parts.push(part.type);
        if (part.type === 'text-delta' && (heard += 1) === 3) abort.abort();
      }
      expect(parts.at(-1)).toBe('abort');
      await seen.isCancelled();
    });
  },
);

describe('AI SDK, anthropic:', () => {
  it.each([false, true])('reasoning is shown, and sent back as the policy said it (streamed: %s)', async (streamed) => {
    gateway.engine.script = () => ({ reasoning: ['Two', ' and two.'], text: 'Four.' });
    const options = {
      model: anthropic()('gyre'),
      providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1_024 } } },
      maxRetries: 0,
    };
    const first = [said('How many?')];
    const answered = streamed
      ? streamText({ ...options, messages: first })
      : await generateText({ ...options, messages: first });
    expect(await answered.reasoningText).toBe('Two and two.');
    const { messages } = await answered.response;
    await generateText({ ...options, messages: [...first, ...messages, said('Sure?')] });
    expect(gateway.engine.requests[1]?.body.messages[1]).toMatchObject({ content: 'Four.', reasoning: 'Two and two.' });
  });
});
