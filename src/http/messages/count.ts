/** `POST /v1/messages/count_tokens`: how long the prompt of a request would be. */
import { countBy, type Counting } from '../protocol/counting.js';
import type { AnswerDeps } from '../protocol/deps.js';
import type { Exchange } from '../wire/exchange.js';
import { parseCount } from './face.js';

const COUNT: Counting = {
  parse: parseCount,
  told: (tokens) => `{"input_tokens":${tokens}}`,
  headers: (exchange) => ({ 'request-id': exchange.requestId }),
};

/** Never throws. */
export function countTokens(deps: AnswerDeps, exchange: Exchange): Promise<void> {
  return countBy(COUNT, deps, exchange);
}
