/** `gyre keys`: makes, changes, shows and revokes API keys. A gateway on the same folder follows within seconds. */
import type { Config } from '../../core/config.js';
import { operatorError } from '../../core/errors.js';
import type { Role } from '../../core/key.js';
import { withRows } from '../../run/rows.js';
import { addKey, changeKey, type KeyChanges, listKeys, revokeKey, type StoredKey } from '../../store/keys/keys.js';
import { monthOf, usageOf, type MonthlyUsage } from '../../store/keys/usage.js';
import { type Printer, table } from '../../run/print.js';

/** As commander hands them over; a flag that is absent changes nothing. */
export interface KeyFlags {
  readonly role?: string | undefined;
  readonly train?: boolean | undefined;
  readonly tools?: string | undefined;
  readonly rpm?: string | undefined;
  readonly tpm?: string | undefined;
  readonly concurrent?: string | undefined;
  readonly monthlyTokens?: string | undefined;
}

export function keysVerb(
  config: Config,
  what: string,
  name: string | undefined,
  flags: KeyFlags,
  printer: Printer,
): Promise<void> {
  return withRows(config, (db) => {
    const named = (): string => {
      if (name === undefined || name === '')
        throw operatorError(`"gyre keys ${what}" needs a name: gyre keys ${what} NAME`);
      return name;
    };
    const inUse = (key: StoredKey | undefined): StoredKey => {
      if (key === undefined) throw operatorError(`there is no key "${named()}" in use; "gyre keys list" shows them`);
      return key;
    };
    switch (what) {
      case 'add': {
        const { key, secret } = addKey(db, { name: named(), ...changesOf(flags) });
        return printer.result({ ...key, secret }, [secret]);
      }
      case 'set': {
        const changes = changesOf(flags);
        if (Object.keys(changes).length === 0)
          throw operatorError(
            `nothing is said to change of the key "${named()}": give one of --role, --train, --no-train, ` +
              '--tools, --rpm, --tpm, --concurrent, --monthly-tokens',
          );
        const key = inUse(changeKey(db, named(), changes));
        return printer.result(key, [`changed ${key.name} (${key.id}): ${described(key)}`]);
      }
      case 'list': {
        const now = Date.now();
        const used = usageOf(db, now);
        const keys = listKeys(db).map((key) => ({
          ...key,
          used: { month: monthOf(now), ...(used.get(key.id) ?? NOTHING) },
        }));
        return printer.result(keys, table([HEAD, ...keys.map((key) => rowOf(key, key.used))]));
      }
      case 'revoke': {
        const revoked = inUse(revokeKey(db, named()));
        return printer.result(revoked, [`revoked ${revoked.name} (${revoked.id})`]);
      }
      default:
        throw operatorError(`"gyre keys ${what}" is not known; it is add, set, list or revoke`);
    }
  });
}

const NOTHING: MonthlyUsage = { requests: 0, tokens: 0 };
const HEAD = [
  'id',
  'name',
  'role',
  'train',
  'tools',
  'rpm',
  'tpm',
  'concurrent',
  'requests this month',
  'tokens this month',
  'created',
  'revoked',
];

function rowOf(
  { id, name, role, train, tools, limits = {}, createdAt, revokedAt }: StoredKey,
  used: MonthlyUsage,
): string[] {
  const bound = (limit: number | undefined): string => (limit === undefined ? '' : String(limit));
  return [
    id,
    name,
    role,
    train ? 'yes' : 'no',
    tools === undefined ? 'any' : tools.join(',') || 'none',
    bound(limits.requestsPerMinute),
    bound(limits.tokensPerMinute),
    bound(limits.concurrent),
    String(used.requests),
    limits.monthlyTokens === undefined ? String(used.tokens) : `${used.tokens} of ${limits.monthlyTokens}`,
    new Date(createdAt).toISOString(),
    revokedAt === undefined ? '' : new Date(revokedAt).toISOString(),
  ];
}

function described({ role, train, tools, limits = {} }: StoredKey): string {
  const bounds = Object.entries(limits).map(([limit, value]) => `${limit} ${String(value)}`);
  return [
    `role ${role}`,
    train ? 'train' : 'no train',
    `tools ${tools === undefined ? 'any' : tools.join(',') || 'none'}`,
    ...bounds,
  ].join(', ');
}

function changesOf(flags: KeyFlags): KeyChanges {
  const limits = {
    ...boundOf('requestsPerMinute', '--rpm', flags.rpm),
    ...boundOf('tokensPerMinute', '--tpm', flags.tpm),
    ...boundOf('concurrent', '--concurrent', flags.concurrent),
    ...boundOf('monthlyTokens', '--monthly-tokens', flags.monthlyTokens),
  };
  return {
    ...(flags.role === undefined ? {} : { role: roleOf(flags.role) }),
    ...(flags.train === undefined ? {} : { train: flags.train }),
    ...(flags.tools === undefined ? {} : { tools: toolsOf(flags.tools) }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

function roleOf(text: string): Role {
  if (text === 'client' || text === 'admin') return text;
  throw operatorError(`--role is "${text}"; it must be client or admin`);
}

/** Names are not looked up: tools of other servers come and go. One that the gateway does not have is not offered. */
function toolsOf(text: string): readonly string[] | null {
  if (text === 'any') return null;
  if (text === 'none') return [];
  const names = text.split(',').map((name) => name.trim().replace(/^gyre:/, ''));
  const odd = names.find((name) => !/^[^\s,]{1,64}$/.test(name));
  if (odd === undefined) return [...new Set(names)];
  throw operatorError(
    `--tools names "${odd}"; give names of server tools with commas between, as ` +
      '"calculator,search_documents", or none, or any',
  );
}

function boundOf<L extends string>(limit: L, flag: string, text: string | undefined): { [K in L]?: number | null } {
  if (text === undefined) return {};
  const value = text === 'none' ? null : Number(text);
  if (value !== null && !(Number.isSafeInteger(value) && value >= 1))
    throw operatorError(`${flag} is "${text}"; it must be a whole number of at least 1, or none for no bound`);
  return { [limit]: value } as { [K in L]?: number | null };
}
