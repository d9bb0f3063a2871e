/**
 * Reads one page of the public web as text. It exists only with `web.fetch: true`. tools/web/guard.ts decides which
 * addresses it may reach; the text it brings back was written by strangers and may try to instruct the policy.
 */
import { z } from 'zod';

import type { Web } from '../src/core/config.js';
import { badRequest, GyreError, quoted, reasonOf } from '../src/core/errors.js';
import type { ProxyFor } from '../src/core/proxy.js';
import type { Tool, ToolLimits } from '../src/core/tool.js';
import { get, type GetResult, type Head } from './web/get.js';
import { checked, INTERNET, pinned, type Network } from './web/guard.js';
import { readable } from './web/readable.js';
import { decoded } from './web/text.js';

const MAX_REDIRECTS = 5;
/** Bytes of a page, markup included: its text is a fraction of it. */
const MAX_PAGE = 2 * 1024 * 1024;
const HTML = ['text/html', 'application/xhtml+xml'];
const TEXT =
  /^(text\/(?!event-stream)[a-z0-9.+-]+|application\/([a-z0-9.-]+\+)?(json|xml|yaml)|application\/x-ndjson)$/;

const Arguments = z.strictObject({ url: z.string() });

export interface FetchPageOptions {
  readonly web: Web;
  readonly limits: ToolLimits;
  readonly proxyFor?: ProxyFor | undefined;
}

export function createFetchPage(
  { web, limits, proxyFor }: FetchPageOptions,
  network: Network = INTERNET,
): Tool | undefined {
  if (!web.fetch) return undefined;
  return {
    spec: {
      name: 'fetch_page',
      description: 'Fetches one page of the public web and returns its text.',
      parameters: {
        type: 'object',
        properties: {
          url: { type: 'string', description: 'The address of the page, beginning with http:// or https://.' },
        },
        required: ['url'],
        additionalProperties: false,
      },
    },
    pure: false,
    run: async (args, signal) => {
      const parsed = Arguments.safeParse(args);
      if (!parsed.success)
        throw badRequest(`fetch_page takes {"url": "https://example.com/page"}, not ${quoted(args)}`, 'url');
      const { url, got } = await follow(parsed.data.url.trim(), signal, limits.timeoutMs, network, proxyFor);
      return pageText(url, got);
    },
  };
}

/** Follows redirects, each checked like the first address. */
async function follow(
  first: string,
  signal: AbortSignal,
  timeoutMs: number,
  network: Network,
  proxyFor: ProxyFor | undefined,
): Promise<{ readonly url: URL; readonly got: GetResult }> {
  let next = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const place = await checked(next, network, proxyFor);
    signal.throwIfAborted();
    const { url } = place;
    let got: GetResult;
    try {
      got = await get(url, {
        connect: pinned(place, network),
        proxy: place.proxy,
        headers: { accept: 'text/html, text/plain, application/json;q=0.9, */*;q=0.1', 'user-agent': 'gyre' },
        maxBytes: MAX_PAGE,
        timeoutMs,
        signal,
        head: refuseUnreadable,
      });
    } catch (thrown) {
      throw thrown instanceof GyreError ? thrown : fault(`${quoted(url.href)} cannot be fetched: ${reasonOf(thrown)}`);
    }
    if (got.location === undefined) return { url, got };
    if (!URL.canParse(got.location, url.href))
      throw fault(`${quoted(url.href)} sends its reader to ${quoted(got.location)}, which is not an address`);
    next = new URL(got.location, url).href;
  }
  throw fault(`${quoted(first)} was redirected more than ${MAX_REDIRECTS} times`);
}

/** Throws on a head whose body is not worth reading. */
function refuseUnreadable({ status, type, location }: Head): void {
  if (status < 200 || status > 299)
    throw fault(`the page answered ${status}${location === undefined ? '' : ' and sent its reader elsewhere'}`);
  if (!HTML.includes(type) && !TEXT.test(type))
    throw fault(
      `the page is ${type === '' ? 'of no stated type' : quoted(type)}; only HTML, plain text and JSON can be read`,
    );
}

async function pageText(url: URL, got: GetResult): Promise<string> {
  const { title, text } = HTML.includes(got.type)
    ? await readable(decoded(got.bytes, got.charset, true))
    : { title: '', text: decoded(got.bytes, got.charset, false).trim() };
  const rest = got.cut ? `\n[only the first ${MAX_PAGE} bytes of this page were read]` : '';
  return `${title === '' ? '' : `${title}\n`}${url.href}\n\n${text === '' ? '(the page has no text)' : text}${rest}`;
}

function fault(message: string): GyreError {
  return new GyreError({ side: 'gateway', status: 502, code: 'page_unavailable', message });
}
