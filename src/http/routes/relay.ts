/**
 * What the gateway does not do itself and an upstream may: embeddings, moderation, ranking, pictures, sound, and
 * whatever else is posted. A request goes to the upstream whose model it names, as it came and with the upstream's key
 * in place of the client's; its reply comes back as it is. Keys' limits hold and tokens are counted, but nothing is
 * logged.
 */
import { badRequest, GyreError } from '../../core/errors.js';
import { isPolicyName, type Relay, type RelayReply, type Serving } from '../../core/serving.js';
import { turnFor } from '../../core/running/turns.js';
import { type Admission, admit } from '../callers/allowance.js';
import { callerIn } from '../callers/auth.js';
import type { AnswerDeps } from '../protocol/deps.js';
import { requiredModel } from '../protocol/fields.js';
import { type Exchange, flat } from '../wire/exchange.js';
import { drained } from '../wire/stream.js';
import { isForm, modelOf } from './named_model.js';

/** What OpenAI's clients and vLLM's know: /openapi.json has these. Others are passed on as `passing.ts` says. */
export const RELAYED: readonly string[] = [
  '/v1/embeddings',
  '/v1/moderations',
  '/v1/rerank',
  '/v1/score',
  '/v1/classify',
  '/v1/pooling',
  '/v1/images/generations',
  '/v1/images/edits',
  '/v1/images/variations',
  '/v1/audio/speech',
  '/v1/audio/transcriptions',
  '/v1/audio/translations',
];

/** Headers of a reply that say what it is. */
const KEPT = ['content-type', 'content-length', 'content-encoding', 'content-disposition', 'cache-control'];

export interface RelayedPath {
  readonly path: string;
  /** Where the path is nobody's unless the body names a model of an upstream: what to answer else, and why. */
  readonly unknown?: ((why: string) => GyreError) | undefined;
}

/** Answers one exchange, errors included; never throws. */
export async function relay(asked: RelayedPath, deps: AnswerDeps, exchange: Exchange): Promise<void> {
  let admission: Admission | undefined;
  let isSent = false;
  try {
    const caller = await callerIn(deps.keys, exchange);
    if (caller.limits !== undefined) admission = await admit(deps, caller.keyId, caller.limits);
    if (admission?.refusal !== undefined) throw admission.refusal;
    const body = await exchange.bytes(deps.bodies);
    await turnFor(body.length);
    const type = exchange.header('content-type') ?? 'application/json';
    const { signal } = exchange.clock;
    const send = await whoTakes(asked, type, body, deps.serving, signal);
    isSent = true;
    const reply = await send(
      {
        path: asked.path,
        contentType: isForm(type) ? type : 'application/json',
        accept: exchange.header('accept'),
        body,
        requestId: exchange.requestId,
      },
      signal,
    );
    const usage = await passOn(reply, exchange, admission?.headers ?? {}, deps.settings.slowReaderMs);
    const tokens = usage.prompt + usage.completion;
    deps.metrics.relayed(usage.prompt, usage.completion);
    admission?.used(tokens);
    if (caller.keyId !== '') deps.keys.count?.(caller.keyId, tokens);
  } catch (thrown) {
    if (exchange.outgoing.headersSent) exchange.outgoing.destroy();
    else {
      const fault = isSent && exchange.clock.endedBy === 'deadline' ? tooLong() : thrown;
      exchange.fail(fault, admission?.headers ?? {}, false);
    }
  } finally {
    admission?.leave();
  }
}

/** Throws what is wrong with the request, where nobody takes it. */
async function whoTakes(
  { path, unknown }: RelayedPath,
  type: string,
  body: Buffer,
  serving: Serving,
  signal: AbortSignal,
): Promise<Relay> {
  try {
    return await relayOf(serving, requiredModel(await modelOf(type, body)), path, signal);
  } catch (thrown) {
    throw unknown !== undefined && thrown instanceof GyreError && thrown.side === 'client'
      ? unknown(thrown.message)
      : thrown;
  }
}

/** Throws 400 for a model of the policy, 404 for one that is nobody's. */
async function relayOf(serving: Serving, model: string, path: string, signal: AbortSignal): Promise<Relay> {
  if (!isPolicyName(model)) {
    const lease = await serving.lease(model, signal);
    lease.release(); // nothing of an upstream is held
    if (lease.relay !== undefined) return lease.relay;
  }
  const others = serving.models().flatMap(({ id, source }) => (source.kind === 'upstream' ? [id] : []));
  const there =
    others.length === 0
      ? 'There are none: name an upstream and its models under "upstreams" in the configuration.'
      : `There are: ${others.join(', ')}.`;
  throw badRequest(
    `The model ${JSON.stringify(model.slice(0, 100))} is this gateway's own, which has no answer to ${path}: ` +
      `it goes to models of upstreams. ${there}`,
    'model',
  );
}

interface Used {
  readonly prompt: number;
  readonly completion: number;
}

/** The reply, piece by piece, no faster than the client takes it; resolves to what it says it used. */
async function passOn(
  reply: RelayReply,
  exchange: Exchange,
  limits: Readonly<Record<string, string>>,
  slowReaderMs: number,
): Promise<Used> {
  const { outgoing } = exchange;
  const headers = flat(limits, ['x-request-id', exchange.requestId]);
  for (const name of KEPT) {
    const value = reply.header(name);
    if (value !== undefined) headers.push(name, value);
  }
  const usage = new UsageReader();
  let begun = false;
  for await (const piece of reply.body) {
    if (!begun) outgoing.writeHead(reply.status, headers);
    begun = true;
    usage.read(piece);
    if (!outgoing.write(piece)) await drained(exchange, slowReaderMs);
  }
  if (!begun) outgoing.writeHead(reply.status, headers);
  outgoing.end();
  return usage.used();
}

/** Bytes at the end of a reply in which its usage is looked for: it stands behind vectors and pictures. */
const TAIL = 4096;

class UsageReader {
  #tail = Buffer.alloc(0);

  read(piece: Uint8Array): void {
    this.#tail = Buffer.concat([this.#tail, piece.subarray(-TAIL)]).subarray(-TAIL);
  }

  used(): Used {
    const found = [...this.#tail.toString('latin1').matchAll(/"usage"\s*:\s*\{((?:[^{}]|\{[^{}]*\})*)\}/g)].at(-1)?.[1];
    const number = (...names: string[]): number => {
      const [, digits] = new RegExp(`"(?:${names.join('|')})"\\s*:\\s*(\\d{1,12})`).exec(found ?? '') ?? [];
      return Number(digits ?? 0);
    };
    const prompt = number('prompt_tokens', 'input_tokens');
    const completion = number('completion_tokens', 'output_tokens');
    return prompt + completion === 0 ? { prompt: number('total_tokens'), completion } : { prompt, completion };
  }
}

function tooLong(): GyreError {
  return new GyreError({
    side: 'engine',
    status: 504,
    code: 'engine_timeout',
    message: 'The upstream did not answer within "limits.seconds".',
  });
}
