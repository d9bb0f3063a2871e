/** The WebSocket of the Responses API put together: who may open one, and how its messages are answered. */
import { GyreError, isBug } from '../core/errors.js';
import type { Clocks } from '../loop/clock.js';
import { answerBy } from './answering.js';
import { admitPlain } from './callers/allowance.js';
import { type Caller, identify } from './callers/auth.js';
import { consents } from './callers/consent.js';
import type { AnswerDeps } from './protocol/deps.js';
import { openResponses } from './sockets/conversation.js';
import { Memory, Remembered } from './sockets/memory.js';
import { type AnyExchange, type ExchangeHooks, requestIdOf } from './wire/exchange.js';
import { RESPONSES_ERRORS } from './wire/failure.js';
import { SocketExchange } from './wire/socket_exchange.js';
import type { SocketService } from './wire/sockets.js';

export const RESPONSES_SOCKET = '/v1/responses';

/** What answers an exchange, and the path it is counted under. It never throws. */
export interface Answering<E extends AnyExchange> {
  readonly path: string;
  readonly answer: (deps: AnswerDeps, exchange: E) => Promise<void>;
}

interface SocketApp extends ExchangeHooks {
  readonly clocks: Clocks;
  /** Answers within the gateway's limits. */
  readonly answer: <E extends AnyExchange>(answering: Answering<E>, exchange: E) => Promise<void>;
}

export function responsesSocket(deps: AnswerDeps, { clocks, answer, ...hooks }: SocketApp): SocketService {
  const path = RESPONSES_SOCKET;
  const remembered = new Remembered();
  return {
    errors: RESPONSES_ERRORS,
    async admit({ headers, method }) {
      if (method !== 'GET') throw notGet(method);
      const apiKey = headers['x-api-key'];
      const key = typeof apiKey === 'string' ? apiKey : undefined;
      let caller: Caller;
      try {
        caller = await identify(deps.keys, headers.authorization, key);
      } catch (thrown) {
        if (isBug(thrown)) hooks.bug(thrown, requestIdOf(headers['x-request-id']));
        throw thrown;
      }
      // It is one of the key's requests; its place is for what is asked on it.
      admitPlain(deps, caller)?.leave();
      const train = headers['x-gyre-train'];
      consents(typeof train === 'string' ? train : undefined);
      return caller.keyId;
    },
    open: (link) => {
      const memory = new Memory(remembered);
      link.onGone(() => memory.clear());
      return openResponses(deps, memory, {
        header: (name) => link.header(name),
        exchange: (message, envelope) =>
          new SocketExchange(link, message, envelope, { clocks, ...hooks, errors: RESPONSES_ERRORS }),
        answer: (face, exchange) => answer({ path, answer: (_, each) => answerBy(face, deps, each) }, exchange),
        run: (exchange, run) => answer({ path, answer: run }, exchange),
      });
    },
  };
}

function notGet(method: string | undefined): GyreError {
  return new GyreError({
    side: 'client',
    status: 405,
    code: 'method_not_allowed',
    message: `A WebSocket is opened by GET, not ${method ?? 'nothing'}.`,
  });
}
