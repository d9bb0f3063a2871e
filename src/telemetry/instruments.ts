/**
 * The metrics of OpenTelemetry's conventions for generative AI: their names, units, bounds, and when each is recorded.
 */
import type { Meter } from '@opentelemetry/api';

import type { Action } from '../core/policy.js';
import { present, type PlainAttributes } from './attributes.js';

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const PER_TOKEN = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

/** One request to the policy, from this gateway to the engine. */
interface PolicyCall {
  readonly about: PlainAttributes;
  readonly seconds: number;
  /** Empty when it failed. */
  readonly actions: readonly Action[];
  readonly error: string | undefined;
}

/** One request of a client to this gateway. */
interface ClientRequest {
  readonly about: PlainAttributes;
  readonly seconds: number;
  readonly error: string | undefined;
  /** Of an answer that succeeded. */
  readonly firstToken: number | undefined;
  readonly perToken: number | undefined;
}

/** Each is called when what it counts is over. */
export interface Instruments {
  policyCall(call: PolicyCall): void;
  clientRequest(request: ClientRequest): void;
  toolCall(about: PlainAttributes, seconds: number): void;
}

export function instruments(meter: Meter): Instruments {
  const histogram = (
    name: string,
    unit: string,
    explicitBucketBoundaries: number[],
    description: string,
  ): ReturnType<Meter['createHistogram']> =>
    meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } });
  const usage = histogram('gen_ai.client.token.usage', '{token}', TOKENS, 'Number of input and output tokens used.');
  const operation = histogram('gen_ai.client.operation.duration', 's', SECONDS, 'GenAI operation duration.');
  const request = histogram(
    'gen_ai.server.request.duration',
    's',
    SECONDS,
    'Generative AI server request duration such as time-to-last byte or last output token.',
  );
  const first = histogram(
    'gen_ai.server.time_to_first_token',
    's',
    FIRST_TOKEN,
    'Time to generate first token for successful responses.',
  );
  const next = histogram(
    'gen_ai.server.time_per_output_token',
    's',
    PER_TOKEN,
    'Time per output token generated after the first token for successful responses.',
  );
  const tool = histogram('gen_ai.execute_tool.duration', 's', SECONDS, 'The duration of a single tool execution.');
  return {
    policyCall({ about, seconds, actions, error }) {
      operation.record(seconds, present({ ...about, 'error.type': error }));
      if (actions.length === 0) return;
      const sum = (of: (action: Action) => number): number => actions.reduce((all, action) => all + of(action), 0);
      const [input, output] = [
        sum((action) => action.usage.prompt_tokens),
        sum((action) => action.usage.completion_tokens),
      ];
      if (input + output === 0) return; // the engine did not count
      usage.record(input, present({ ...about, 'gen_ai.token.type': 'input' }));
      usage.record(output, present({ ...about, 'gen_ai.token.type': 'output' }));
    },
    clientRequest({ about, seconds, error, firstToken, perToken }) {
      request.record(seconds, present({ ...about, 'error.type': error }));
      if (firstToken !== undefined) first.record(firstToken, present(about));
      if (perToken !== undefined) next.record(perToken, present(about));
    },
    toolCall(about, seconds) {
      tool.record(seconds, present(about));
    },
  };
}
