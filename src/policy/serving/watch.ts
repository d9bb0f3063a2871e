/**
 * Whether an engine given by address is there: asked again and again, lightly, by what vLLM and other servers have for
 * it. It is no process of ours, so nobody else would tell.
 */
import { GyreError, reasonOf } from '../../core/errors.js';
import { apiPath } from '../engine/sample.js';

export interface EngineWatch {
  /** Undefined while it answers; else why it is not ready. */
  readonly trouble: string | undefined;
  /** The first model it lists; undefined until it has been asked for, or where it lists none. */
  readonly model: ListedModel | undefined;
  /** Resolves when it was asked for the first time, whatever came of it. */
  readonly asked: Promise<void>;
  stop(): void;
}

/** A model as vLLM lists it. */
interface ListedModel {
  readonly id: string;
  /** The folder or the repository its weights are from. */
  readonly root?: string | undefined;
}

/** The first model of a list, and what kind of server says that it owns it. */
interface Listed {
  readonly model: ListedModel;
  readonly owner: unknown;
}

export interface WatchOptions {
  /** With or without `/v1`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  /** Called after each question. */
  readonly changed: (watch: Pick<EngineWatch, 'trouble' | 'model'>) => void;
}

/** Milliseconds between two questions, and until one counts as unanswered: both together are under 5 s. */
const PAUSE_MS = 2_000;
const PATIENCE_MS = 2_000;
/**
 * Owners of models whose `GET /health` is light, and says that the engine behind the server is dead. Another server may
 * ask a model of it each time, or all that it knows (SGLang, LiteLLM).
 */
const WITH_HEALTH: readonly unknown[] = ['vllm', 'llamacpp'];
const LATE = new Error(`it did not answer within ${PATIENCE_MS / 1000} s`);
/** Bytes of a list of models that are read. */
const LIST_BYTES = 1024 * 1024;

export function watchEngine({ url, apiKey, changed }: WatchOptions): EngineWatch {
  const { origin, pathname } = new URL(url);
  const api = apiPath(pathname);
  const headers = apiKey === undefined ? undefined : { authorization: `Bearer ${apiKey}` };
  let stopped = false;
  let trouble: string | undefined = 'it was not asked yet';
  let model: ListedModel | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** It answered before, and has not failed since: only whether it lives is asked. */
  let listed = false;
  let hasHealth = false;

  /** The question under way. Its timer is held here: a timeout among `AbortSignal.any` may be collected unfired. */
  let question = new AbortController();
  const get = (path: string): Promise<Response> =>
    fetch(`${origin}${path}`, {
      ...(headers === undefined ? {} : { headers }),
      redirect: 'manual',
      signal: question.signal,
    });
  const look = async (): Promise<string | undefined> => {
    if (hasHealth) {
      const health = await get(`${api.replace(/\/v1$/, '')}/health`);
      await health.body?.cancel();
      // Also where it failed before: the server of a dead engine lists its models for some seconds more.
      if (health.status >= 500) return `it says ${health.status} to GET /health`;
      if (health.ok && listed) return undefined;
    }
    const list = await get(`${api}/models`);
    if (!list.ok) {
      await list.body?.cancel();
      if (list.status === 401 || list.status === 403) return `it refuses the key (${list.status})`;
      return list.status >= 500 ? `it says ${list.status} to GET /models` : undefined;
    }
    const first = firstOf(await textOf(list));
    model = first?.model ?? model;
    hasHealth = WITH_HEALTH.includes(first?.owner);
    return undefined;
  };
  const ask = async (): Promise<void> => {
    question = new AbortController();
    const late = setTimeout(() => question.abort(LATE), PATIENCE_MS);
    try {
      trouble = await look();
    } catch (thrown) {
      trouble = unreached(thrown);
      if (thrown !== LATE) hasHealth = false; // who answers there next may be another server
    }
    clearTimeout(late);
    if (stopped) return;
    listed = trouble === undefined;
    changed({ trouble, model });
    timer = setTimeout(() => void ask(), PAUSE_MS).unref();
  };
  const asked = ask();
  return {
    get trouble() {
      return trouble;
    },
    get model() {
      return model;
    },
    asked,
    stop() {
      stopped = true;
      question.abort();
      clearTimeout(timer);
    },
  };
}

function unreached(thrown: unknown): string {
  if (thrown === LATE) return LATE.message;
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const { code } = cause as { readonly code?: unknown };
  return `it cannot be reached: ${typeof code === 'string' ? code : reasonOf(cause)}`;
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > LIST_BYTES)
      throw new GyreError({
        side: 'engine',
        status: 502,
        code: 'engine_garbage',
        message: 'its list of models is too long',
      });
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Undefined where the text is no list of models: a server may answer chats all the same. */
function firstOf(text: string): Listed | undefined {
  try {
    const { data } = JSON.parse(text) as { data?: readonly Readonly<Record<string, unknown>>[] | undefined };
    const { id, root, owned_by: owner } = data?.[0] ?? {};
    if (typeof id !== 'string') return undefined;
    return { model: { id, root: typeof root === 'string' ? root : undefined }, owner };
  } catch {
    return undefined;
  }
}
