/**
 * The metrics of OpenTelemetry's conventions for generative AI, version 0.1.0: their names, units, bounds, and when
 * each is recorded.
 */
import type { Meter } from '@opentelemetry/api';

import type { Action } from '../core/policy.js';
import { present, type PlainAttributes } from './attributes.js';

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKEN = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const PER_TOKEN = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const CALLS = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

/** One request to the policy, from this gateway to the engine. */
interface PolicyCall {
  readonly about: PlainAttributes;
  readonly seconds: number;
  /** Empty when it failed. */
  readonly actions: readonly Action[];
  readonly error: string | undefined;
  /** Whether what was asked, and what was answered, is text alone: an engine does not say which tokens are what. */
  readonly text: { readonly input: boolean; readonly output: boolean };
}

/** The run of one request: what it asked the policy for and ran. */
interface Run {
  readonly about: PlainAttributes;
  readonly seconds: number;
  readonly error: string | undefined;
  readonly policyCalls: number;
  readonly toolCalls: number;
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
  run(run: Run): void;
}

export function instruments(meter: Meter): Instruments {
  const histogram = (
    name: string,
    unit: string,
    explicitBucketBoundaries: number[],
    description: string,
  ): ReturnType<Meter['createHistogram']> =>
    meter.createHistogram(name, { unit, description, advice: { explicitBucketBoundaries } });
  const counter = (name: string, description: string): ReturnType<Meter['createCounter']> =>
    meter.createCounter(name, { unit: '{token}', description });
  const inference = histogram(
    'gen_ai.client.inference.duration',
    's',
    SECONDS,
    'Duration of a request to the policy, to its last token.',
  );
  const firstChunk = histogram(
    'gen_ai.client.inference.time_to_first_chunk',
    's',
    SECONDS,
    'Time from a request to the policy to the first piece of its answer.',
  );
  const perCall = {
    input: histogram(
      'gen_ai.client.inference.operation.input_tokens',
      '{token}',
      TOKENS,
      'Tokens of the prompt of one request to the policy.',
    ),
    output: histogram(
      'gen_ai.client.inference.operation.output_tokens',
      '{token}',
      TOKENS,
      'Tokens that one request to the policy was answered with.',
    ),
  };
  const used = {
    input: counter('gen_ai.client.inference.usage.input_tokens', 'Tokens of prompts, cached ones too.'),
    cached: counter('gen_ai.client.inference.usage.cache_read.input_tokens', 'Tokens of prompts that were cached.'),
    output: counter('gen_ai.client.inference.usage.output_tokens', 'Tokens of answers, of reasoning too.'),
    reasoning: counter('gen_ai.client.inference.usage.reasoning.output_tokens', 'Tokens of answers that reason.'),
  };
  const run = histogram('gen_ai.invoke_agent.duration', 's', SECONDS, 'Duration of the run of one request.');
  const runs = {
    policy: histogram(
      'gen_ai.invoke_agent.inference_calls',
      '{inference_call}',
      CALLS,
      'Requests to the policy a run.',
    ),
    tools: histogram('gen_ai.invoke_agent.tool_calls', '{tool_call}', CALLS, 'Calls of tools a run.'),
  };
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
    policyCall({ about, seconds, actions, error, text }) {
      const ended = present({ ...about, 'error.type': error });
      inference.record(seconds, ended);
      const firstToken = actions[0]?.timings.firstTokenMs;
      if (firstToken !== undefined) firstChunk.record(firstToken / 1000, present(about));
      const sum = (of: (usage: Action['usage']) => number): number =>
        actions.reduce((all, { usage }) => all + of(usage), 0);
      const [input, output] = [sum((usage) => usage.prompt_tokens), sum((usage) => usage.completion_tokens)];
      // One that failed, or did not count, used nothing that is known: by the conventions it is counted as 0.
      perCall.input.record(input, ended);
      perCall.output.record(output, ended);
      const kind = (isText: boolean): ReturnType<typeof present> =>
        present({ ...about, 'gen_ai.token.modality': isText && input + output > 0 ? 'text' : 'unknown' });
      used.input.add(input, kind(text.input));
      used.cached.add(
        sum((usage) => usage.cached_tokens),
        kind(text.input),
      );
      used.output.add(output, kind(text.output));
      used.reasoning.add(
        sum((usage) => usage.reasoning_tokens),
        kind(text.output),
      );
    },
    clientRequest({ about, seconds, error, firstToken, perToken }) {
      request.record(seconds, present({ ...about, 'error.type': error }));
      if (firstToken !== undefined) first.record(firstToken, present(about));
      if (perToken !== undefined) next.record(perToken, present(about));
    },
    toolCall(about, seconds) {
      tool.record(seconds, present(about));
    },
    run({ about, seconds, error, policyCalls, toolCalls }) {
      const ended = present({ ...about, 'error.type': error });
      run.record(seconds, ended);
      runs.policy.record(policyCalls, ended);
      runs.tools.record(toolCalls, ended);
    },
  };
}
