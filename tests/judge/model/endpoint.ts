/** A scripted chat endpoint for a judge: it answers as it is told, or does not. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: {
    readonly model: string;
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    readonly temperature: number;
    readonly logprobs?: boolean;
  };
}

type Body = Readonly<Record<string, unknown>> | readonly unknown[];

/** Text of an answer, a whole body, or anything that is done with the response. */
export type Script = (asked: Asked, times: number) => string | Body | ((response: ServerResponse) => void);

export interface JudgeEndpoint {
  readonly url: string;
  readonly asked: Asked[];
  close(): Promise<void>;
}

export async function judgeEndpoint(script: Script): Promise<JudgeEndpoint> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const one = {
        path: request.url ?? '',
        headers: request.headers,
        body: JSON.parse(Buffer.concat(parts).toString()) as Asked['body'],
      };
      asked.push(one);
      const said = script(one, asked.length);
      if (typeof said === 'function') {
        said(response);
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(typeof said === 'string' ? completion(said) : said));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function completion(content: string | null, more: object = {}, logprobs?: object): Body {
  return {
    choices: [
      { message: { role: 'assistant', content }, finish_reason: 'stop', ...more, ...(logprobs && { logprobs }) },
    ],
    usage: { prompt_tokens: 100, completion_tokens: 20 },
  };
}
