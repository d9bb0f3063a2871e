/**
 * Search over the web by a SearXNG-compatible endpoint: a query in, the five best results out as text. Present only
 * where the operator names the endpoint (`web.search_url`); only that is asked, and no result is opened.
 */
import { buildConnector } from 'undici';
import { z } from 'zod';

import type { Web } from '../src/core/config.js';
import { badRequest, GyreError, quoted, reasonOf } from '../src/core/errors.js';
import type { ProxyFor } from '../src/core/proxy.js';
import { parsedInTurns } from '../src/core/running/parsed.js';
import type { Tool, ToolLimits } from '../src/core/tool.js';
import { get, type GetResult } from './web/get.js';

const RESULTS = 5;
const MAX_QUERY = 500;
const MAX_TITLE = 200;
const MAX_SNIPPET = 600;
const MAX_ADDRESS = 500;
const MAX_ANSWER = 4 * 1024 * 1024;
const MAX_REDIRECTS = 3;

const Arguments = z.strictObject({ query: z.string() });

const text = z.string().nullish();
const Answer = z.looseObject({ results: z.array(z.looseObject({ title: text, url: text, content: text })) });

export interface SearchWebOptions {
  readonly web: Web;
  readonly limits: ToolLimits;
  readonly proxyFor?: ProxyFor | undefined;
}

export function createSearchWeb({ web, limits, proxyFor }: SearchWebOptions): Tool | undefined {
  if (web.search_url === undefined) return undefined;
  const endpoint = web.search_url;
  return {
    spec: {
      name: 'search_web',
      description: 'Searches the web and returns the best results: title, address and a few words of each.',
      parameters: {
        type: 'object',
        properties: { query: { type: 'string', description: 'What to look for.' } },
        required: ['query'],
        additionalProperties: false,
      },
    },
    pure: false,
    run: async (args, signal) => {
      const parsed = Arguments.safeParse(args);
      if (!parsed.success) throw badRequest(`search_web takes {"query": "a few words"}, not ${quoted(args)}`, 'query');
      const query = parsed.data.query.trim();
      if (query === '') throw badRequest('the query is empty: write a few words to look for', 'query');
      if (query.length > MAX_QUERY)
        throw badRequest(`the query has ${query.length} characters, at most ${MAX_QUERY} are taken`, 'query');
      return listed(query, await ask(endpoint, query, limits.timeoutMs, signal, proxyFor));
    },
  };
}

/**
 * The operator named the endpoint, so it may be at any address, also a private one; but redirects are followed within
 * its origin only. Error messages do not quote its address, which may hold a key.
 */
async function ask(
  endpoint: string,
  query: string,
  timeoutMs: number,
  signal: AbortSignal,
  proxyFor: ProxyFor | undefined,
): Promise<unknown> {
  let url = new URL(endpoint);
  const { username, password, origin } = url;
  const credentials =
    username === '' && password === ''
      ? {}
      : { authorization: basic(decodeURIComponent(username), decodeURIComponent(password)) };
  url.username = url.password = '';
  url.searchParams.set('q', query);
  url.searchParams.set('format', 'json');
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let got: GetResult;
    try {
      got = await get(url, {
        connect: buildConnector({ timeout: timeoutMs }),
        proxy: proxyFor?.(url),
        headers: { accept: 'application/json', ...credentials },
        maxBytes: MAX_ANSWER,
        timeoutMs,
        signal,
      });
    } catch (thrown) {
      throw fault(`the search engine cannot be reached: ${(thrown as NodeJS.ErrnoException).code ?? reasonOf(thrown)}`);
    }
    if (got.location === undefined) return await jsonOf(got);
    const next = URL.canParse(got.location, url.href) ? new URL(got.location, url) : undefined;
    if (next?.origin !== origin)
      throw fault('the search engine sends its reader to another server, which is not asked');
    next.username = next.password = '';
    url = next;
  }
  throw fault('the search engine sends its reader round in a circle');
}

async function jsonOf({ status, bytes, cut }: GetResult): Promise<unknown> {
  if (status === 403)
    throw fault('the search engine answered 403; where it is SearXNG, its settings must allow the format "json"');
  if (status < 200 || status > 299) throw fault(`the search engine answered ${status}`);
  if (cut) throw fault(`the search engine's answer has more than ${MAX_ANSWER} bytes`);
  try {
    return await parsedInTurns(bytes, { exact: false });
  } catch {
    throw fault('the search engine answered with something that is not JSON');
  }
}

function listed(query: string, answer: unknown): string {
  const parsed = Answer.safeParse(answer);
  if (!parsed.success) throw fault('the search engine answered with JSON that holds no list of results');
  const seen = new Set<string>();
  const found = parsed.data.results
    .flatMap(({ title, url, content }) => {
      // A result without an address that can be opened is left out, and so is the second of two with the same one.
      if (typeof url !== 'string' || !/^https?:\/\//i.test(url) || url.length > MAX_ADDRESS || seen.has(url)) return [];
      seen.add(url);
      return [
        { title: line(title, MAX_TITLE) || url, url: line(url, MAX_ADDRESS), snippet: line(content, MAX_SNIPPET) },
      ];
    })
    .slice(0, RESULTS);
  if (found.length === 0) return `No page was found for "${query.slice(0, 200)}".`;
  return found
    .map(({ title, url, snippet }, at) => `[${at + 1}] ${title}\n${url}${snippet === '' ? '' : `\n${snippet}`}`)
    .join('\n\n');
}

/** The text on one line, at most `max` characters: a title with line breaks could pass for another result. */
function line(text: string | null | undefined, max: number): string {
  const flat = (text ?? '').replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return flat.length > max ? `${flat.slice(0, max).trimEnd()}...` : flat;
}

function fault(message: string): GyreError {
  return new GyreError({ side: 'gateway', status: 502, code: 'search_unavailable', message });
}

/** The Basic scheme of RFC 7617. */
function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
