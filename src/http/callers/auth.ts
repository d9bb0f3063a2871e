/**
 * Who asks. A secret is looked up by its hash, by the function that is injected, so the time an
 * answer takes says nothing of it. Without keys everyone is one owner, who may do everything.
 */
import { GyreError } from '../../core/errors.js';
import type { Key, KeyLimits, Keys } from '../../core/key.js';
import type { Scope } from '../../core/reading.js';
import type { AnyExchange } from '../wire/exchange.js';

/** A gateway without keys. */
export const NO_KEYS: Keys = {
  required: () => false,
  find: () => undefined,
  fresh: () => undefined,
  renewed: () => Promise.resolve(),
  spent: () => Promise.resolve(0),
};

export interface Caller {
  readonly keyId: string;
  readonly admin: boolean;
  readonly train: boolean;
  readonly tools: readonly string[] | undefined;
  readonly limits: KeyLimits | undefined;
}

const EVERYONE: Caller = { keyId: '', admin: true, train: true, tools: undefined, limits: undefined };

/**
 * Throws 401 `invalid_api_key`. Takes the headers `authorization: Bearer ...` and `x-api-key`; of two that are sent the
 * first that is a key. An `authorization` of another scheme, as a proxy in front asks for, is not ours to read. A
 * promise only where keys have to be looked up first.
 */
export function identify(
  keys: Keys,
  authorization: string | undefined,
  apiKey: string | undefined,
): Caller | Promise<Caller> {
  const stale = keys.fresh();
  return stale === undefined
    ? known(keys, authorization, apiKey)
    : stale.then(() => known(keys, authorization, apiKey));
}

function known(keys: Keys, authorization: string | undefined, apiKey: string | undefined): Caller | Promise<Caller> {
  if (!keys.required()) return EVERYONE;
  const secrets = [bearer(authorization), apiKey?.trim() ?? ''].filter((secret) => secret !== '');
  const key = keyIn(keys, secrets);
  if (key !== undefined) return callerBy(key);
  if (secrets.length === 0)
    throw unauthorized('No API key was given. Send "Authorization: Bearer KEY", or "x-api-key: KEY".');
  // It may have been made a moment ago.
  return keys.renewed().then(() => {
    const made = keyIn(keys, secrets);
    if (made !== undefined) return callerBy(made);
    throw unauthorized('This API key is unknown or revoked. `gyre keys list` shows the keys there are.');
  });
}

function keyIn(keys: Keys, secrets: readonly string[]): Key | undefined {
  for (const secret of secrets) {
    const key = keys.find(secret);
    if (key !== undefined) return key;
  }
  return undefined;
}

function callerBy({ id, role, train, tools, limits }: Key): Caller {
  return { keyId: id, admin: role === 'admin', train, tools, limits };
}

function unauthorized(message: string): GyreError {
  return new GyreError({ side: 'client', status: 401, code: 'invalid_api_key', message });
}

function bearer(authorization = ''): string {
  const [, scheme, rest = ''] = /^(\S+)(?:\s+(.*))?$/s.exec(authorization.trim()) ?? [];
  if (scheme === undefined) return '';
  if (scheme.toLowerCase() === 'bearer') return rest.trim();
  // Some programs send the key alone.
  return rest === '' ? scheme : '';
}

/** {@link identify} for an exchange: an admin is told the reasons of faults. */
export function callerIn(keys: Keys, exchange: AnyExchange): Caller | Promise<Caller> {
  const trust = (caller: Caller): Caller => {
    exchange.trusted = caller.admin;
    return caller;
  };
  const found = identify(keys, exchange.header('authorization'), exchange.header('x-api-key'));
  return found instanceof Promise ? found.then(trust) : trust(found);
}

/** The caller of a fetch request. */
export async function callerOf(keys: Keys, request: Request): Promise<Caller> {
  return identify(
    keys,
    request.headers.get('authorization') ?? undefined,
    request.headers.get('x-api-key') ?? undefined,
  );
}

/** Throws 401, or 403 when the key is not an admin's. */
export async function requireAdmin(keys: Keys, request: Request): Promise<Caller> {
  const caller = await callerOf(keys, request);
  if (caller.admin) return caller;
  throw new GyreError({
    side: 'client',
    status: 403,
    code: 'insufficient_permissions',
    message: 'This needs a key with the role admin: `gyre keys add NAME --role admin`.',
  });
}

/** Whether a request comes with an admin's key, or needs none. Whoever has another key, or none, is nobody here. */
export async function isAdmin(keys: Keys, request: Request): Promise<boolean> {
  try {
    return (await callerOf(keys, request)).admin;
  } catch (thrown) {
    if (thrown instanceof GyreError) return false;
    throw thrown;
  }
}

/** Whose rows a caller may see: its own, an admin everyone's. */
export function scopeOf(caller: Caller): Scope {
  return { keyId: caller.admin ? undefined : caller.keyId };
}
