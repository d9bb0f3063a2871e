/**
 * Where what OpenAI publishes is narrower than what its servers answer, or is not about what we say: such a value is
 * judged without it, and the report says how often.
 */
import { isDeepStrictEqual } from 'node:util';

import type { Case } from './suite.js';
import type { Json, Said } from './recorded.js';

interface Gap {
  readonly says: string;
  /** The value as it is to be judged, undefined where it is not, or the very value where it has nothing of this. */
  without(said: Said): unknown;
}

const RELAYED = /^\/(?:audio|images|moderations)\b/;
const OURS = ['function', 'custom', 'namespace'];

const GAPS: readonly Gap[] = [
  {
    says: "an upstream's own answer, passed on as it came",
    without: ({ path, kind, value }) => (RELAYED.test(path) && kind !== 'error' ? undefined : value),
  },
  {
    says: 'a chunk of completions that is not the last has finish_reason null',
    without: (said) =>
      isCompletion(said) && said.kind === 'event'
        ? choices(said.value, (choice) =>
            choice['finish_reason'] === null ? { ...choice, finish_reason: 'stop' } : choice,
          )
        : said.value,
  },
  {
    says: 'a chunk of completions that is not the last has usage null where usage was asked for',
    without: (said) => (isCompletion(said) && said.kind === 'event' ? withoutNull(said.value, 'usage') : said.value),
  },
  {
    says: 'the system_fingerprint of what an upstream answers is not known: null',
    without: ({ value }) => withoutNull(value, 'system_fingerprint'),
  },
  {
    says: 'the first token of an echoed prompt has no logprob: null',
    without: (said) =>
      isCompletion(said)
        ? choices(said.value, (choice) => {
            const logprobs = choice['logprobs'] as Logprobs | null | undefined;
            if (logprobs?.token_logprobs?.[0] !== null) return choice;
            const [, ...token_logprobs] = logprobs.token_logprobs;
            const top = logprobs.top_logprobs?.[0] === null ? logprobs.top_logprobs.slice(1) : logprobs.top_logprobs;
            return { ...choice, logprobs: { ...logprobs, token_logprobs, top_logprobs: top } };
          })
        : said.value,
  },
  {
    says: "a tool of OpenAI's own, or its choice, is echoed as the client wrote it, whatever it lacks",
    without: ({ value, asked }) => {
      const request = jsonOf(asked);
      const given = [...toolsOf(request), (request as Json | undefined)?.['tool_choice']];
      const echoed = (tool: unknown): boolean =>
        !OURS.includes(String((tool as Json)['type'])) && given.some((each) => isDeepStrictEqual(each, tool));
      return within(value, (response) => {
        const tools = toolsOf(response);
        const { tool_choice: choice, ...rest } = response;
        const chosen = typeof choice === 'object' && choice !== null && echoed(choice);
        if (!chosen && !tools.some(echoed)) return response;
        return {
          ...(chosen ? { ...rest, tool_choice: 'auto' } : response),
          tools: tools.filter((tool) => !echoed(tool)),
        };
      });
    },
  },
  {
    says: 'a piece of a custom call in a chunk of chat, where the document knows functions only',
    without: ({ path, kind, value }) =>
      path === '/chat/completions' && kind === 'event'
        ? choices(value, (choice) => {
            const delta = choice['delta'] as { readonly tool_calls?: readonly Json[] } | undefined;
            const calls = delta?.tool_calls?.filter(({ type }) => type !== 'custom');
            if (delta === undefined || calls?.length === delta.tool_calls?.length) return choice;
            return { ...choice, delta: { ...delta, tool_calls: calls } };
          })
        : value,
  },
  {
    says: "a compaction keeps what the user said, as the document's example has it",
    without: ({ path, value }) => {
      const output = (value as { output?: readonly Json[] } | null)?.output;
      const users = path === '/responses/compact' && output?.some(({ role }) => role === 'user') === true;
      return users ? { ...(value as Json), output: output.filter(({ role }) => role !== 'user') } : value;
    },
  },
];

interface Logprobs {
  readonly token_logprobs?: readonly (number | null)[];
  readonly top_logprobs?: readonly (Json | null)[];
}

/** What is left to judge, and a case for each gap that was met. */
export function withoutGaps(all: readonly Said[]): { readonly said: readonly Said[]; readonly gaps: readonly Case[] } {
  const met = new Map<string, number>();
  const said = all.flatMap((each) => {
    let left: Said = each;
    for (const gap of GAPS) {
      const value = gap.without(left);
      if (value === left.value) continue;
      met.set(gap.says, (met.get(gap.says) ?? 0) + 1);
      if (value === undefined) return [];
      left = { ...left, value };
    }
    return [left];
  });
  return {
    said,
    gaps: [...met].map(([name, count]) => ({ name, status: 'left out', reason: `${count} values, judged without it` })),
  };
}

const isCompletion = ({ path }: Said): boolean => path === '/completions';

function withoutNull(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || (value as Json)[name] !== null) return value;
  const { [name]: _, ...rest } = value as Json;
  return rest;
}

function choices(value: unknown, mend: (choice: Json) => Json): unknown {
  const all = (value as { choices?: readonly Json[] } | null)?.choices;
  const mended = all?.map(mend);
  return mended === undefined || mended.every((choice, at) => choice === all?.[at])
    ? value
    : { ...(value as Json), choices: mended };
}

/** A response may stand alone or in an event. */
function within(value: unknown, mend: (response: Json) => Json): unknown {
  const inside = (value as { response?: Json } | null)?.response;
  if (inside === undefined) return typeof value === 'object' && value !== null ? mend(value as Json) : value;
  const response = mend(inside);
  return response === inside ? value : { ...(value as Json), response };
}

function toolsOf(value: unknown): readonly unknown[] {
  const tools = (value as { tools?: unknown } | null | undefined)?.tools;
  return Array.isArray(tools) ? tools : [];
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
