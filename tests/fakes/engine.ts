/**
 * A scripted engine that speaks vLLM's HTTP protocol exactly, down to ids in every chunk. It samples
 * nothing: a script says what each request gets, how the bytes are cut and how it fails. Everyone's
 * tests use it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

import { type CompletionBody, completionEvents } from './completions.js';
import { answer, type ChatBody, type Reply, tokenId, turnTokens, vllmError, words } from './replies.js';

export { encode, tokenId, type ChatBody, type EngineCall, type Reply } from './replies.js';

export interface EngineRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: ChatBody;
  /** True when the caller hung up before the reply was whole. */
  aborted: boolean;
}

export type Script = (request: EngineRequest, number: number) => Reply | Promise<Reply>;

export interface Engine {
  readonly url: string;
  readonly port: number;
  /** Chat requests, in the order they came. */
  readonly requests: EngineRequest[];
  readonly adapters: Set<string>;
  /** Requests whose caller hung up. */
  readonly aborts: number;
  /** Prompts that were to be counted, as they came. */
  readonly counted: Pick<ChatBody, 'model' | 'messages' | 'tools' | 'add_generation_prompt'>[];
  /** What `/tokenize` answers instead of a count. */
  tokenizer: 'missing' | 'silent' | Pick<Reply, 'status' | 'body'> | undefined;
  script: Script;
  /** Called with the text of every chat request. */
  seenText: ((text: string) => void) | undefined;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly script?: Script;
  /** Names served without loading. */
  readonly models?: readonly string[];
  readonly port?: number;
}

/** Replies in turn, the last one for ever. */
export function inTurn(...replies: readonly Reply[]): Script {
  return (_request, number) => replies[Math.min(number, replies.length - 1)] ?? {};
}

export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const sockets = new Set<Socket>();
  const models = options.models ?? ['base'];
  const engine = {
    url: '',
    port: 0,
    requests: [] as EngineRequest[],
    adapters: new Set<string>(),
    aborts: 0,
    counted: [] as Engine['counted'][number][],
    tokenizer: undefined as Engine['tokenizer'],
    script: options.script ?? inTurn({}),
    seenText: undefined as Engine['seenText'],
    close: async () => shut(server, sockets),
  };
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.keepAliveTimeout = 60_000;

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const text = await textOf(incoming);
    const json = (status: number, body: unknown): void => {
      outgoing.writeHead(status, { 'content-type': 'application/json' });
      outgoing.end(JSON.stringify(body));
    };
    const route = `${incoming.method ?? ''} ${(incoming.url ?? '').split('?')[0] ?? ''}`;
    if (route === 'GET /health') return void outgoing.writeHead(200).end();
    if (route === 'GET /v1/models')
      return json(200, {
        object: 'list',
        data: [...models, ...engine.adapters].map((id) => ({
          id,
          object: 'model',
          owned_by: 'vllm',
          root: id,
          parent: null,
          max_model_len: 2048,
        })),
      });
    if (route === 'POST /tokenize') {
      const { tokenizer } = engine;
      if (tokenizer === 'missing') return json(404, { detail: 'Not Found' });
      const asked = JSON.parse(text) as Engine['counted'][number] & { prompt?: string };
      engine.counted.push(asked);
      if (tokenizer === 'silent') return void outgoing.on('close', () => (engine.aborts += 1));
      if (tokenizer !== undefined)
        return void outgoing
          .writeHead(tokenizer.status ?? 200, { 'content-type': 'application/json' })
          .end(tokenizer.body ?? JSON.stringify(vllmError(tokenizer.status ?? 500, 'scripted fault')));
      if (!models.includes(asked.model) && !engine.adapters.has(asked.model))
        return json(404, vllmError(404, `The model \`${asked.model}\` does not exist.`));
      const tokens =
        asked.add_generation_prompt === false
          ? turnTokens(asked.messages)
          : words(asked.prompt ?? JSON.stringify([asked.messages, asked.tools])).map(tokenId);
      return json(200, { count: tokens.length, max_model_len: 2048, tokens, token_strs: null });
    }
    if (route === 'POST /v1/load_lora_adapter') {
      const { lora_name: name } = JSON.parse(text) as { lora_name: string };
      if (engine.adapters.has(name))
        return json(400, vllmError(400, `The lora adapter '${name}' has already been loaded.`));
      engine.adapters.add(name);
      return void outgoing.writeHead(200).end(`Success: LoRA adapter '${name}' added successfully.`);
    }
    if (route === 'POST /v1/unload_lora_adapter') {
      const { lora_name: name } = JSON.parse(text) as { lora_name: string };
      if (!engine.adapters.delete(name))
        return json(404, vllmError(404, `The lora adapter '${name}' cannot be found.`));
      return void outgoing.writeHead(200).end(`Success: LoRA adapter '${name}' removed successfully.`);
    }
    const raw = route === 'POST /v1/completions';
    if (!raw && route !== 'POST /v1/chat/completions') return json(404, { detail: 'Not Found' });

    engine.seenText?.(text);
    const request: EngineRequest = {
      path: incoming.url ?? '',
      headers: incoming.headers,
      body: JSON.parse(text) as ChatBody,
      aborted: false,
    };
    outgoing.on('close', () => {
      if (outgoing.writableFinished) return;
      request.aborted = true;
      engine.aborts += 1;
    });
    const number = engine.requests.push(request) - 1;
    if (!models.includes(request.body.model) && !engine.adapters.has(request.body.model))
      return json(404, vllmError(404, `The model \`${request.body.model}\` does not exist.`));
    const { logprobs } = JSON.parse(text) as { readonly logprobs?: unknown };
    if (raw && typeof logprobs === 'number' && logprobs > 20)
      return json(
        400,
        vllmError(400, `Requested sample logprobs of ${logprobs}, which is greater than max allowed: 20`),
      );
    const reply = await engine.script(request, number);
    if (!raw) return answer(outgoing, request.body, reply);
    const events = completionEvents(reply, JSON.parse(text) as CompletionBody);
    await answer(outgoing, request.body, reply, events);
  };

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  engine.port = (server.address() as AddressInfo).port;
  engine.url = `http://127.0.0.1:${engine.port}`;
  return engine;
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

function shut(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}
