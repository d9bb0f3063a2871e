/** Pictures and files in every protocol, before models that see and models that read text only. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, describe, expect, it } from 'vitest';

import { verify } from '../../src/store/proof/verify.js';
import type { EngineRequest, Reply, Script } from '../fakes/engine.js';
import { startGateway, type Gateway } from '../fakes/gateway.js';
import { closeOpened, server, start as startWith } from '../fakes/upstreams.js';

const DATA = 'iVBORw0KGgo'.repeat(2_000);
const URL = `data:image/png;base64,${DATA}`;
const PICTURE = { type: 'image_url', image_url: { url: URL } };
const holdsPicture = ({ body }: EngineRequest): boolean => JSON.stringify(body.messages).includes('image_url');
const REFUSAL: Reply = {
  status: 400,
  body: JSON.stringify({ error: { message: 'base is not a multimodal model', type: 'BadRequestError', code: 400 } }),
};
/** vLLM with a model of text. */
const blind: Script = (request) => (holdsPicture(request) ? REFUSAL : { text: 'ok' });

let gateway: Gateway;
afterEach(async () => {
  await gateway.close();
  await closeOpened();
});
const start = async (script: Script): Promise<Gateway> => (gateway = await startGateway({ script }));

const CALL = { id: 'c1', type: 'function', function: { name: 'view', arguments: '{}' } };
const TOOLS = [{ type: 'function', function: { name: 'view', parameters: { type: 'object' } } }];
const chat = async (...messages: object[]): Promise<Response> =>
  gateway.post({ model: 'gyre', messages, tools: TOOLS });
const USER = { role: 'user', content: 'Look.' };
const VIEWED = [USER, { role: 'assistant', content: null, tool_calls: [CALL] }];
const RESULT = { role: 'tool', tool_call_id: 'c1', content: [PICTURE] };
const sent = (at: number): EngineRequest['body']['messages'] => gateway.engine.requests[at]?.body.messages ?? [];

const anthropic = (): Anthropic => new Anthropic({ baseURL: gateway.url, apiKey: 'any', maxRetries: 0 });
const IMAGE: Anthropic.ImageBlockParam = {
  type: 'image',
  source: { type: 'base64', media_type: 'image/png', data: DATA },
};
const ask = (client: Anthropic, ...messages: Anthropic.MessageParam[]): Promise<Anthropic.Message> =>
  client.messages.create({
    model: 'gyre',
    max_tokens: 100,
    messages,
    tools: [{ name: 'view', input_schema: { type: 'object' } }],
  });
const SEEN: Anthropic.MessageParam[] = [
  { role: 'user', content: 'Look.' },
  { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'view', input: {} }] },
  {
    role: 'user',
    content: [{ type: 'tool_result', tool_use_id: 'c1', content: [{ type: 'text', text: 'a.png' }, IMAGE] }],
  },
];

describe('a model that sees', () => {
  it('is shown pictures of chat messages and of results as they came', async () => {
    await start(() => ({ text: 'ok' }));
    expect((await chat({ role: 'user', content: [{ type: 'text', text: 'q' }, PICTURE] })).status).toBe(200);
    expect((await chat(...VIEWED, RESULT)).status).toBe(200);
    expect(sent(0)[0]?.content).toEqual([{ type: 'text', text: 'q' }, PICTURE]);
    expect(sent(1)[2]?.content).toEqual([PICTURE]);
    expect(gateway.logged[0]?.steps[0]?.notTrainable).toBe('media');
  });

  it('is shown images and documents of the Messages API', async () => {
    await start(() => ({ text: 'ok' }));
    const pdf = { type: 'base64' as const, media_type: 'application/pdf' as const, data: 'AAAA' };
    await ask(anthropic(), {
      role: 'user',
      content: [
        { type: 'text', text: 'q' },
        IMAGE,
        { type: 'image', source: { type: 'url', url: 'https://a.example/b.png' } },
        { type: 'document', title: 'a.pdf', source: pdf },
        { type: 'document', title: 'Notes', source: { type: 'text', media_type: 'text/plain', data: 'words' } },
        { type: 'search_result', title: 'T', source: 's', content: [{ type: 'text', text: 'found' }] },
      ],
    });
    expect(sent(0)[0]?.content).toEqual([
      { type: 'text', text: 'q' },
      PICTURE,
      { type: 'image_url', image_url: { url: 'https://a.example/b.png' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' } },
      { type: 'text', text: 'Notes' },
      { type: 'text', text: 'words' },
      { type: 'text', text: 'T\ns\nfound' },
    ]);
    await ask(anthropic(), ...SEEN);
    expect(sent(1)[2]?.content).toEqual([{ type: 'text', text: 'a.png' }, PICTURE]);
  });

  it('goes on with a conversation as it is sent again', async () => {
    await start(() => ({ text: 'ok' }));
    const question = { role: 'user', content: [{ type: 'text', text: 'q' }, PICTURE] };
    await chat(question);
    const wrapped = {
      role: 'user',
      content: [
        { type: 'text', text: 'q', cache_control: {} },
        { ...PICTURE, id: 'x' },
      ],
    };
    await chat(wrapped, { role: 'assistant', content: 'ok' }, USER);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    expect(sent(1)[0]?.content).toEqual(question.content);
    expect(verify(gateway.store.db).problems).toEqual([]);
  });
});

describe('a model that reads text only', () => {
  const WORDS = '[image: image/png, 16 KB, not shown: this model reads text only]';

  it('goes on in the Messages API after a turn with a picture that was refused', async () => {
    await start(blind);
    const seen: Anthropic.MessageParam = { role: 'user', content: [IMAGE, { type: 'text', text: 'q' }] };
    await expect(ask(anthropic(), seen)).rejects.toMatchObject({ status: 400 });
    await ask(anthropic(), seen, { role: 'user', content: 'go on' });
    expect(sent(gateway.engine.requests.length - 1)[0]?.content).toBe(`${WORDS}\nq\ngo on`);
    await expect(ask(anthropic(), seen, { role: 'user', content: [IMAGE] })).rejects.toMatchObject({ status: 400 });
  });

  it('refuses in Messages what a user shows beside the result of a tool, and not what the tool gave', async () => {
    await start(blind);
    const [question, call, result] = SEEN as [Anthropic.MessageParam, Anthropic.MessageParam, Anthropic.MessageParam];
    await ask(anthropic(), ...SEEN);
    const blocks = result.content as Anthropic.ContentBlockParam[];
    const beside: Anthropic.MessageParam = {
      role: 'user',
      content: [...blocks, IMAGE, { type: 'text', text: 'And?' }],
    };
    await expect(ask(anthropic(), question, call, beside)).rejects.toMatchObject({ status: 400 });
    await ask(anthropic(), question, call, { role: 'user', content: [...blocks, { type: 'text', text: 'And?' }] });
    await ask(anthropic(), question, call, beside, { role: 'user', content: 'go on' });
  });

  it('is told of the picture in a result in words, and is not asked again whether it sees', async () => {
    await start(blind);
    expect((await chat(...VIEWED, RESULT)).status).toBe(200);
    expect(gateway.engine.requests).toHaveLength(2);
    expect(sent(1)[2]).toEqual({ role: 'tool', tool_call_id: 'c1', content: WORDS });
    expect((await chat(...VIEWED, RESULT, { role: 'assistant', content: 'ok' }, USER)).status).toBe(200);
    expect(gateway.engine.requests).toHaveLength(3);
    expect(sent(2)[2]).toEqual({ role: 'tool', tool_call_id: 'c1', content: WORDS });
  });

  it('is learned from: its steps have what it was told', async () => {
    await start(blind);
    await chat(...VIEWED, RESULT);
    await chat(...VIEWED, RESULT, { role: 'assistant', content: 'ok' }, USER);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    for (const { steps } of gateway.logged) {
      expect(steps[0]?.messages[2]?.content).toBe(WORDS);
      expect(steps[0]?.notTrainable).toBeUndefined();
    }
    expect(verify(gateway.store.db).problems).toEqual([]);
  });

  it('refuses the picture of the newest turn of a user, and goes on after it', async () => {
    await start(blind);
    const shown = { role: 'user', content: [{ type: 'text', text: 'q' }, PICTURE] };
    for (const times of [1, 2]) {
      const response = await chat(shown);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        error: { param: 'messages', message: expect.stringMatching(/image\/png.*reads text only/) as string },
      });
      expect(gateway.engine.requests).toHaveLength(1);
      expect(gateway.logged).toHaveLength(times);
    }
    expect((await chat(shown, USER)).status).toBe(200);
    expect(sent(1)[0]?.content).toBe(`q\n${WORDS}`);
  });

  it('goes on with a session of the Messages API that once saw a picture', async () => {
    await start(blind);
    const client = anthropic();
    const { content } = await ask(client, ...SEEN);
    expect(sent(1)[2]).toEqual({ role: 'tool', tool_call_id: 'c1', content: `a.png\n${WORDS}` });
    await ask(client, ...SEEN, { role: 'assistant', content }, { role: 'user', content: 'And?' });
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    await expect(ask(client, { role: 'user', content: [IMAGE] })).rejects.toThrow(/reads text only/);
  });

  it('counts what it is told', async () => {
    await start(blind);
    await ask(anthropic(), ...SEEN);
    const count = await anthropic().messages.countTokens({ model: 'gyre', messages: SEEN });
    expect(count.input_tokens).toBeGreaterThan(0);
    expect(JSON.stringify(gateway.engine.counted.at(-1)?.messages)).toContain(WORDS);
  });

  it('says so in a stream before its first byte', async () => {
    await start(blind);
    const response = await gateway.post({
      model: 'gyre',
      stream: true,
      messages: [{ role: 'user', content: [PICTURE] }],
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([400, 'application/json']);
  });

  it('is not taken for one because of one broken picture', async () => {
    let broken = true;
    await start((request) =>
      broken && holdsPicture(request)
        ? { status: 400, body: JSON.stringify({ error: { message: 'cannot identify image file', code: 400 } }) }
        : { text: 'ok' },
    );
    expect((await chat(...VIEWED, RESULT)).status).toBe(400);
    broken = false;
    expect((await chat(...VIEWED, RESULT)).status).toBe(200);
    expect(sent(1)[2]?.content).toEqual([PICTURE]);
  });
});

describe('with redaction', () => {
  it('the log has neither what matched nor loses the picture, and the conversation goes on', async () => {
    gateway = await startGateway({ script: () => ({ text: 'ok' }), config: { redact: ['secret\\d+'] } });
    const question = { role: 'user', content: [{ type: 'text', text: 'my secret42' }, PICTURE] };
    await chat(question);
    await chat(question, { role: 'assistant', content: 'ok' }, USER);
    expect(sent(1)[0]?.content).toEqual(question.content);
    expect(gateway.logged[1]?.trajectoryId).toBe(gateway.logged[0]?.trajectoryId);
    const rows = gateway.store.sqlite.prepare('SELECT body FROM messages').all() as { readonly body: string }[];
    expect(rows.map(({ body }) => body).join()).not.toContain('secret42');
    expect(rows.some(({ body }) => body.includes('[redacted]') && body.includes(DATA))).toBe(true);
  });

  it('what a model of text was told is logged without what matched', async () => {
    gateway = await startGateway({ script: blind, config: { redact: ['private'] } });
    const result = { ...RESULT, content: [{ type: 'image_url', image_url: { url: 'https://a.example/private.png' } }] };
    await chat(...VIEWED, result);
    expect(sent(1)[2]?.content).toContain('private.png');
    const rows = gateway.store.sqlite.prepare('SELECT body FROM messages').all() as { readonly body: string }[];
    expect(rows.map(({ body }) => body).join()).not.toContain('private');
    expect(verify(gateway.store.db).problems).toEqual([]);
  });
});

describe('an upstream', () => {
  const upstream = async (script: Script): Promise<Awaited<ReturnType<typeof server>>> => {
    const other = await server(script, ['other']);
    gateway = await startWith([{ url: other.url, models: ['other'] }]);
    return other;
  };

  it('is shown pictures, those of tools by the user', async () => {
    const other = await upstream(() => ({ text: 'ok' }));
    const response = await gateway.post({ model: 'other', messages: [...VIEWED, RESULT], tools: TOOLS });
    expect(response.status).toBe(200);
    expect(other.requests[0]?.body.messages.slice(2)).toEqual([
      { role: 'tool', tool_call_id: 'c1', content: '[image: image/png, 16 KB, shown in the next message]' },
      { role: 'user', content: [PICTURE] },
    ]);
  });

  it('of text is told in words', async () => {
    const other = await upstream((request) =>
      holdsPicture(request)
        ? { status: 400, body: JSON.stringify({ error: { message: 'unknown variant `image_url`, expected `text`' } }) }
        : { text: 'ok' },
    );
    const body = { model: 'other', messages: [...VIEWED, RESULT], tools: TOOLS };
    expect((await gateway.post(body)).status).toBe(200);
    expect((await gateway.post(body)).status).toBe(200);
    expect(other.requests).toHaveLength(3);
    expect(other.requests[2]?.body.messages[2]?.content).toMatch(/image\/png.*not shown/);
  });
});
