/**
 * Which paths beside our own may be an upstream's. A path goes to the upstream word for word and with the upstream's
 * key, so it is a plain one: nothing in it that a server on the way could read as another path.
 */
import { meantBy, type Route } from './meant.js';

/** What vLLM has beside its versions. Whatever else lies there is its operator's: sleeping, weights, caches. */
const UNVERSIONED: ReadonlySet<string> = new Set([
  '/classify',
  '/detokenize',
  '/pooling',
  '/rerank',
  '/score',
  '/tokenize',
]);

const VERSIONED = /^\/v[1-9]\d?(?:\/[A-Za-z0-9][A-Za-z0-9._:-]*)+$/;
const LONGEST = 200;

/**
 * Parts of paths that change a server or leave something on it, whatever model the body names: it would be at the cost
 * of the operator, uncounted, and no client could read it back through here.
 */
const OPERATORS: ReadonlySet<string> = new Set([
  'admin',
  'agents',
  'assistants',
  'batch',
  'batches',
  'containers',
  'conversations',
  'datasets',
  'deployments',
  'endpoints',
  'evals',
  'files',
  'fine-tunes',
  'fine-tuning',
  'fine_tuning',
  'finetuning',
  'jobs',
  'keys',
  'load_lora_adapter',
  'organization',
  'organizations',
  'projects',
  'realtime',
  'threads',
  'unload_lora_adapter',
  'uploads',
  'vector_stores',
  'videos',
]);

/** Whether what is posted to a path may be passed on. `routes` are ours, which are never an upstream's. */
export function isPassable(path: string, routes: readonly Route[]): boolean {
  if (UNVERSIONED.has(path)) return true;
  if (path.length > LONGEST || !VERSIONED.test(path)) return false;
  const lower = path.toLowerCase();
  if (lower.split('/').some((part) => OPERATORS.has(part))) return false;
  // A server that does not mind letters' case would take it for a conversation, which is logged here.
  return meantBy('POST', lower, undefined, routes)?.sure !== true;
}
