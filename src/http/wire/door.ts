/**
 * Who is sent away before anything of a request is read: web pages that the operator did not name, which a browser lets
 * ask anywhere, and names of this gateway that are not its own, by which such a page would pass for one of ours. It
 * holds for every route and for WebSockets. Programs send none of these headers. What proxies add (`X-Forwarded-Host`,
 * `Forwarded`) anyone may write, so it is never looked at.
 */
import type { IncomingMessage } from 'node:http';

import { GyreError, quoted } from '../../core/errors.js';
import { originsOf } from './cors.js';

export interface Door {
  /** Throws 403 where a gateway without keys is asked by a name that is not this machine's own. */
  name(incoming: IncomingMessage): void;
  /** Throws 403 for a page of another site that is not in `cors`, 415 for a page whose body is not JSON. */
  page(incoming: IncomingMessage): void;
}

export interface DoorSettings {
  /** Origins whose pages may ask. */
  readonly cors: readonly string[];
  /** What the gateway listens on. */
  readonly host: string;
  /** Whether a request needs a key. */
  readonly keyed: () => boolean;
  /** Paths that take forms, from pages in `cors` too. */
  readonly forms: ReadonlySet<string>;
}

export function doorOf({ cors, host, keyed, forms }: DoorSettings): Door {
  const isWelcome = originsOf(cors);
  const own = hostnameOf(host.includes(':') ? `[${host}]` : host);
  const isOurs = (name: string): boolean => {
    const asked = hostnameOf(name);
    return asked !== undefined && (LOOPBACK.test(asked) || asked === own);
  };
  // Clients call us by one name, again and again.
  let known: string | undefined;
  return {
    name({ headers }) {
      // Programs of HTTP/1.0 name nobody; a browser always does.
      const name = headers.host;
      if (name === undefined || name === known || keyed()) return;
      if (!isOurs(name)) throw otherHost(name);
      known = name;
    },
    page(incoming) {
      const { origin, host: name, 'sec-fetch-site': site } = incoming.headers;
      if (origin === undefined) {
        // A page that loads us as a picture or follows a link says no origin. `none` is the user's own doing.
        if (site === undefined || site === 'same-origin' || site === 'none' || cors.includes('*')) return;
        throw otherSite(site);
      }
      const welcome = isWelcome(origin);
      if (!welcome && !isOwn(origin, name)) throw otherOrigin(origin);
      const type = incoming.headers['content-type'];
      const asForm = welcome && forms.has(incoming.url?.split('?', 1)[0] ?? '');
      if (hasBody(incoming) && !isJson(type) && !(asForm && isForm(type))) throw notJson(type);
    },
  };
}

const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/;

/** The name in a `Host`, spelled as URLs spell it; undefined where it is none. */
function hostnameOf(host: string): string | undefined {
  if (!/^[^\s/\\?#@]+$/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/\.$/, '');
}

/** Whether a page came from this gateway itself. A name that only pretends to be ours was sent away before. */
function isOwn(origin: string, host: string | undefined): boolean {
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  const asked = `${protocol}//${host}`;
  return /^https?:$/.test(protocol) && URL.canParse(asked) && new URL(asked).host === from;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

const essence = (type: string | undefined): string => type?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
const isJson = (type: string | undefined): boolean => /^application\/(?:[\w.+-]+\+)?json$/.test(essence(type));
const isForm = (type: string | undefined): boolean => essence(type) === 'multipart/form-data';

function otherHost(name: string): GyreError {
  return new GyreError({
    side: 'client',
    status: 403,
    code: 'host_not_allowed',
    message:
      `Without API keys this gateway answers to its own names only, and ${quoted(name)} is none. Ask 127.0.0.1, ` +
      '[::1], localhost or what "host" names, or make a key: gyre keys add NAME --role admin.',
  });
}

function otherOrigin(origin: string): GyreError {
  return refused(`Pages of ${quoted(origin)} may not ask here.`);
}

function otherSite(site: unknown): GyreError {
  return refused(`Pages of other sites may not ask here (Sec-Fetch-Site is ${quoted(site)}).`);
}

function refused(message: string): GyreError {
  return new GyreError({
    side: 'client',
    status: 403,
    code: 'origin_not_allowed',
    message: `${message} The operator lists origins under "cors".`,
  });
}

function notJson(type: string | undefined): GyreError {
  return new GyreError({
    side: 'client',
    status: 415,
    code: 'unsupported_media_type',
    message: `A page sends JSON: its content type must be application/json, not ${quoted(type ?? 'absent')}.`,
  });
}
