/** What a request is sent to: its path, and the authority it calls us by. */
import type { IncomingMessage } from 'node:http';

import { badRequest, quoted } from '../../core/errors.js';

/**
 * Gives a request in absolute form (`POST http://host/path`, as programs behind a proxy write it) the form of all
 * others: what stands in its target goes before its `Host` (RFC 9112, 3.2.2). Throws 400 for a target that is no path.
 */
export function settleTarget(incoming: IncomingMessage): void {
  const { url = '', headers } = incoming;
  if (url.startsWith('/')) {
    // An address of IPv6 has many spellings, and who reads it later knows one.
    if (headers.host?.startsWith('[') === true && URL.canParse(`http://${headers.host}`))
      headers.host = new URL(`http://${headers.host}`).host;
    return;
  }
  const [, authority, path] = ABSOLUTE.exec(url) ?? [];
  if (authority === undefined || path === undefined)
    throw badRequest(
      `The request target ${quoted(url)} is no path. Send one like /v1/models, with the address in "Host".`,
      undefined,
      'invalid_target',
    );
  headers.host = authority;
  incoming.url = path.startsWith('/') ? path : `/${path}`;
}

const ABSOLUTE = /^(?:http|ws)s?:\/\/([^/?#\s]+)([^#\s]*)/i;

/** The path of a settled request, without its query. */
export function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?', 1)[0] ?? '';
}
