/**
 * Who asks. A secret is looked up by its hash, by the function that is injected, so the time an
 * answer takes says nothing of it. Without keys everyone is one owner, who may do everything.
 */
import { GyreError } from '../../core/errors.js';
import type { Key, KeyLimits, Keys } from '../../core/key.js';
import type { Scope } from '../../core/reading.js';

/** A gateway without keys. */
export const NO_KEYS: Keys = { required: () => false, find: () => undefined, spent: () => 0 };

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
 * first that is a key. An `authorization` of another scheme, as a proxy in front asks for, is not ours to read.
 */
export function identify(keys: Keys, authorization: string | undefined, apiKey: string | undefined): Caller {
  if (!keys.required()) return EVERYONE;
  const secrets = [bearer(authorization), apiKey?.trim() ?? ''].filter((secret) => secret !== '');
  let key: Key | undefined;
  for (const secret of secrets) if ((key = keys.find(secret)) !== undefined) break;
  if (key === undefined) {
    throw new GyreError({
      side: 'client',
      status: 401,
      code: 'invalid_api_key',
      message:
        secrets.length === 0
          ? 'No API key was given. Send "Authorization: Bearer KEY", or "x-api-key: KEY".'
          : 'This API key is unknown or revoked. `gyre keys list` shows the keys there are.',
    });
  }
  return { keyId: key.id, admin: key.role === 'admin', train: key.train, tools: key.tools, limits: key.limits };
}

function bearer(authorization = ''): string {
  const [, scheme, rest = ''] = /^(\S+)(?:\s+(.*))?$/s.exec(authorization.trim()) ?? [];
  if (scheme === undefined) return '';
  if (scheme.toLowerCase() === 'bearer') return rest.trim();
  // Some programs send the key alone.
  return rest === '' ? scheme : '';
}

/** The caller of a fetch request. */
export function callerOf(keys: Keys, request: Request): Caller {
  return identify(
    keys,
    request.headers.get('authorization') ?? undefined,
    request.headers.get('x-api-key') ?? undefined,
  );
}

/** Throws 401, or 403 when the key is not an admin's. */
export function requireAdmin(keys: Keys, request: Request): Caller {
  const caller = callerOf(keys, request);
  if (caller.admin) return caller;
  throw new GyreError({
    side: 'client',
    status: 403,
    code: 'insufficient_permissions',
    message: 'This needs a key with the role admin: `gyre keys add NAME --role admin`.',
  });
}

/** Whether a request comes with an admin's key, or needs none. Whoever has another key, or none, is nobody here. */
export function isAdmin(keys: Keys, request: Request): boolean {
  try {
    return callerOf(keys, request).admin;
  } catch (thrown) {
    if (thrown instanceof GyreError) return false;
    throw thrown;
  }
}

/** Whose rows a caller may see: its own, an admin everyone's. */
export function scopeOf(caller: Caller): Scope {
  return { keyId: caller.admin ? undefined : caller.keyId };
}
