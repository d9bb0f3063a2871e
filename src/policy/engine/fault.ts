/**
 * Every way an engine can fail, as one error with the side `engine`. This is the only place that reads an engine's
 * error bodies and socket codes; nothing here decides whether to try again. Where it stands, and what it says of a
 * failure of its own, is for operators; why it refused a request is for whoever made it.
 */
import { GyreError, reasonOf } from '../../core/errors.js';

/** Whose failure it is, in the words of a message. */
export interface Party {
  /** Begins a sentence, e.g. `The upstream at https://api.example.com`. */
  readonly it: string;
  /** Its address, for a message that says it is not there. */
  readonly at?: string | undefined;
  /** Where the operator sets its key, as a message says it. */
  readonly setting: string;
  /** The proxy it is reached by, where one is. */
  readonly proxy?: string | undefined;
  /** Its key: never shown, even where it says it itself. */
  readonly secret?: string | undefined;
  /** Whether the client named it, and is to know whose words it reads. */
  readonly named: boolean;
}

export const ENGINE: Party = { it: 'The engine', setting: '"engine.api_key"', named: false };

/** The code of an engine's 404: the weights a lease named are gone from it. */
export const WEIGHTS_MISSING = 'engine_weights_missing';

/** A reply with a status other than 200. `body` is what was read of it. */
export function statusFault(
  status: number,
  body: string,
  retryAfter: string | undefined,
  party: Party = ENGINE,
): GyreError {
  const reported = errorOf(discreet(body, party));
  const message = reported.message ?? excerpt(discreet(body, party));
  if (status === 429) {
    return new GyreError({
      side: 'engine',
      status: 429,
      code: 'rate_limit_exceeded',
      message: `${party.it} is at its limit: ${message}`,
      discreet: `${somebody(party)} is at its limit.`,
      retryAfterMs: retryAfterMs(retryAfter) ?? 1000,
    });
  }
  if (status === 404)
    return engine(
      502,
      WEIGHTS_MISSING,
      `does not know the ${party.named ? 'model' : 'weights'} it was asked for`,
      party,
      `: ${message}`,
    );
  if (status === 400 || status === 413 || status === 422) return refused(reported, message, party);
  if (status === 401 || status === 403)
    return engine(502, 'engine_refused_key', "refused the gateway's key", party, ` (${status}). Set ${party.setting}.`);
  if (status === 503) {
    return new GyreError({
      side: 'engine',
      status: 502,
      code: 'engine_unavailable',
      message: `${party.it} answered 503: ${message}`,
      discreet: `${somebody(party)} answered 503.`,
      retryAfterMs: retryAfterMs(retryAfter) ?? 1000,
    });
  }
  return engine(502, 'engine_error', `answered ${status}`, party, `: ${message}`);
}

/** An `error` object that arrived where a chunk was expected. */
export function chunkFault(error: unknown, party: Party = ENGINE): GyreError {
  const body = discreet(JSON.stringify({ error }), party);
  const reported = errorOf(body);
  const message = reported.message ?? excerpt(body);
  return reported.status === 400
    ? refused(reported, message, party)
    : engine(502, 'engine_error', 'reported an error', party, `: ${message}`);
}

/** What undici threw. `began` is whether any byte of the reply had arrived. */
export function transportFault(thrown: unknown, began: boolean, party: Party): GyreError {
  const code = codeOf(thrown);
  const refused = /^Proxy response \((\d+)\)/.exec(reasonOf(thrown))?.[1];
  if (refused !== undefined)
    return engine(
      502,
      'engine_unreachable',
      'cannot be reached',
      party,
      `: the proxy at ${party.proxy ?? '?'} answered ${refused}.`,
      thrown,
    );
  if (code === 'UND_ERR_HEADERS_TIMEOUT')
    return engine(504, 'engine_timeout', 'sent no reply in time', party, '.', thrown);
  if (code === 'UND_ERR_BODY_TIMEOUT')
    return engine(504, 'engine_timeout', 'fell silent in the middle of its reply', party, '.', thrown);
  if (!began && UNREACHABLE.has(code)) {
    return new GyreError({
      side: 'engine',
      status: 503,
      code: 'engine_unreachable',
      message:
        `${party.it}${party.at === undefined ? '' : ` at ${party.at}`} cannot be reached ` +
        (party.proxy === undefined ? '' : `through the proxy at ${party.proxy} `) +
        `(${code}).${party.named ? '' : ' It may still be starting.'}`,
      discreet: `${somebody(party)} cannot be reached.${party.named ? '' : ' It may still be starting.'}`,
      retryAfterMs: 1000,
      cause: thrown,
    });
  }
  const lost = engine(502, 'engine_connection_lost', 'broke the connection', party, `: ${reasonOf(thrown)}`, thrown);
  if (!began) unanswered.add(lost);
  return lost;
}

const unanswered = new WeakSet<GyreError>();

/** Whether the connection broke before anything of a reply came: most often one that was kept, and ended meanwhile. */
export function isUnanswered(thrown: unknown): boolean {
  return thrown instanceof GyreError && unanswered.has(thrown);
}

/** A reply that is not what the protocol says. */
export function garbage(what: string, party: Party = ENGINE, cause?: unknown): GyreError {
  return engine(
    502,
    'engine_garbage',
    'replied with what is not a chat completion',
    party,
    `: ${excerpt(discreet(what, party))}`,
    cause,
  );
}

/** An answer with more bytes than one may have. */
export function tooLarge(bytes: number, party: Party): GyreError {
  return engine(
    502,
    'engine_garbage',
    `sent an answer larger than ${bytes} bytes, which "limits.answer_bytes" allows; it was stopped`,
    party,
  );
}

/** A reply that is passed on and has more bytes than one may have. */
export function replyTooLarge(bytes: number, party: Party): GyreError {
  return engine(
    502,
    'engine_garbage',
    `sent a reply larger than ${bytes} bytes, which is 16 times "limits.answer_bytes"; it was stopped`,
    party,
  );
}

/** A stream that ended before it said why. */
export function truncated(party: Party = ENGINE): GyreError {
  return engine(502, 'engine_truncated', 'ended its reply without a finish reason, so the answer is not whole', party);
}

/** What a policy throws when its caller's signal fired. */
export function cancelled(): GyreError {
  return new GyreError({ side: 'client', status: 499, code: 'cancelled', message: 'The request was cancelled.' });
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'EACCES',
]);

/** `why` ends the sentence: what only operators are to know. */
function engine(status: number, code: string, what: string, party: Party, why = '.', cause?: unknown): GyreError {
  return new GyreError({
    side: 'engine',
    status,
    code,
    message: `${party.it} ${what}${why}`,
    discreet: `${somebody(party)} ${what}.`,
    cause,
  });
}

/** Without its address. */
function somebody({ named }: Party): string {
  return named ? 'The upstream' : 'The engine';
}

interface ReportedError {
  readonly message?: string | undefined;
  readonly param?: string | undefined;
  readonly status?: number | undefined;
}

/** The engine understood the request and refused it: its own words go to the client, who alone can change it. */
function refused(reported: ReportedError, message: string, party: Party): GyreError {
  // A limit of one's own that is too large is another mistake than a conversation that is too long.
  const tooLong =
    // Nothing is left beside the prompt: vLLM makes a bound of 0 of that, and refuses its own bound.
    /max_tokens must be at least 1, got 0/.test(message) ||
    (reported.param !== 'max_tokens' &&
      reported.param !== 'max_completion_tokens' &&
      /context length|context_length|max_model_len|too long|longer than the maximum/i.test(message));
  return new GyreError({
    side: 'engine',
    status: 400,
    message: party.named ? `${party.it} refused the request: ${message}` : message,
    ...(party.named ? { discreet: `${somebody(party)} refused the request: ${message}` } : {}),
    code: tooLong ? 'context_length_exceeded' : 'invalid_value',
    ...(tooLong ? { param: 'messages' } : reported.param === undefined ? {} : { param: reported.param }),
  });
}

/** Of a longer body only the first words are told. */
const LARGEST_ERROR = 512 * 1024;
/** More than the words that are told of it, with whatever blanks are between them. */
const EXCERPT = 4096;

/** vLLM nests its error under `error`, older versions and others put the fields on top. */
function errorOf(body: string): ReportedError {
  if (body.length > LARGEST_ERROR) return {};
  try {
    const parsed = JSON.parse(body) as { error?: unknown; message?: unknown; detail?: unknown };
    const inner = (typeof parsed.error === 'object' && parsed.error !== null ? parsed.error : parsed) as {
      message?: unknown;
      param?: unknown;
      code?: unknown;
    };
    const message = [inner.message, parsed.error, parsed.detail].find(
      (text): text is string => typeof text === 'string' && text !== '',
    );
    return {
      message,
      ...(typeof inner.param === 'string' ? { param: inner.param } : {}),
      ...(typeof inner.code === 'number' ? { status: inner.code } : {}),
    };
  } catch {
    return {}; // a body that is not JSON says nothing beyond its text
  }
}

function discreet(text: string, { secret }: Party): string {
  return secret === undefined || secret === '' ? text : text.replaceAll(secret, '[api_key]');
}

function excerpt(body: string): string {
  const line = body.slice(0, EXCERPT).replace(/\s+/g, ' ').trim();
  return line === '' ? 'no reason given' : line.length > 200 ? `${line.slice(0, 200)}...` : line;
}

/** Seconds or an HTTP date. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function codeOf(thrown: unknown): string {
  const error = thrown as { code?: unknown; errors?: readonly unknown[] | undefined } | null;
  if (typeof error?.code === 'string') return error.code;
  const first = error?.errors?.[0]; // node joins the attempts on several addresses in one AggregateError
  return first === undefined ? '' : codeOf(first);
}
