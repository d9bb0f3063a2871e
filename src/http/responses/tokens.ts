/** `POST /v1/responses/input_tokens`: how long the prompt of a request would be. */
import { countBy, type Counting } from '../protocol/counting.js';
import type { AnswerDeps } from '../protocol/deps.js';
import type { Exchange } from '../wire/exchange.js';
import { readCount } from './face.js';
import { refersOf } from './references.js';

const INPUT_TOKENS: Counting = {
  parse: readCount,
  refers: refersOf,
  told: (tokens) => `{"object":"response.input_tokens","input_tokens":${tokens}}`,
};

/** Never throws. */
export function countInput(deps: AnswerDeps, exchange: Exchange): Promise<void> {
  return countBy(INPUT_TOKENS, deps, exchange);
}
