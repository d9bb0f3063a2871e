/**
 * Runs one tool call to an observation. Whatever goes wrong (an unknown name, bad arguments, a throw, a timeout, too
 * much output, an abort) is an observation too: nothing is thrown, and no rejection is left unhandled.
 */
import { onAbort } from '../core/running/abort.js';
import { GyreError, reasonOf } from '../core/errors.js';
import type { ToolCall } from '../core/message.js';
import { parseJson, writeJson } from '../core/text/json.js';
import type { Observation, Tool, ToolLimits, Toolbox } from '../core/tool.js';

/** Names that are listed to a policy that called another one. */
const NAMES_LISTED = 64;

/** `offered` are the names the policy may call, the client's own among them. */
export async function execute(
  call: ToolCall,
  tools: Toolbox,
  configured: ToolLimits,
  signal: AbortSignal,
  offered: readonly string[] = [...tools.keys()],
): Promise<Observation> {
  const startedAt = performance.now();
  const tool = tools.get(call.name);
  const limits = tool?.limits ?? configured;
  const observe = (content: string, error?: Observation['error']): Observation => ({
    content: capped(content, limits.maxBytes),
    error,
    ms: performance.now() - startedAt,
  });
  if (tool === undefined)
    return observe(
      `Error: there is no tool ${JSON.stringify(call.name)}. There are: ${listed(offered)}.`,
      'unknown_tool',
    );

  let args: unknown;
  try {
    args = call.arguments.trim() === '' ? {} : parseJson(call.arguments);
  } catch (thrown) {
    return observe(
      `Error: the arguments are not valid JSON (${reasonOf(thrown)}). Send one JSON object.`,
      'bad_arguments',
    );
  }
  return attempt(tool, args, limits, signal, observe);
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_LISTED;
  return (names.slice(0, NAMES_LISTED).join(', ') || 'none') + (more > 0 ? ` and ${more} more` : '');
}

async function attempt(
  tool: Tool,
  args: unknown,
  limits: ToolLimits,
  signal: AbortSignal,
  observe: (content: string, error?: Observation['error']) => Observation,
): Promise<Observation> {
  if (signal.aborted) return observe('Error: cancelled.', 'cancelled');
  const ending = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let stopListening: (() => void) | undefined;
  // A tool that ignores its signal must not hold up the answer: its promise is raced, and a late result is dropped.
  const ended = new Promise<Observation>((resolve) => {
    const end = (content: string, error: Observation['error']): void => {
      resolve(observe(content, error));
      ending.abort();
    };
    timer = setTimeout(
      () => end(`Error: no result within ${limits.timeoutMs / 1000} seconds.`, 'timeout'),
      limits.timeoutMs,
    );
    stopListening = onAbort(signal, () => end('Error: cancelled.', 'cancelled'));
  });
  const ran = (async (): Promise<Observation> => {
    try {
      return observe(textOfResult(await tool.run(args, ending.signal)));
    } catch (thrown) {
      const badArguments = thrown instanceof GyreError && (thrown.code === 'bad_arguments' || thrown.side === 'client');
      return observe(`Error: ${reasonOf(thrown)}`, badArguments ? 'bad_arguments' : 'failed');
    }
  })();
  try {
    return await Promise.race([ran, ended]);
  } finally {
    clearTimeout(timer);
    stopListening?.();
  }
}

/** A tool's type promises text; one that is not ours may break the promise. */
function textOfResult(result: unknown): string {
  return typeof result === 'string' ? result : result === undefined ? '' : writeJson(result);
}

/** At most `maxBytes` of UTF-8, the mark included, cut between characters. */
function capped(content: string, maxBytes: number): string {
  if (content.length * 3 <= maxBytes) return content;
  const bytes = Buffer.byteLength(content);
  if (bytes <= maxBytes) return content;
  const mark = `\n[truncated: this result has ${bytes} bytes, the limit is ${maxBytes}]`;
  let end = Math.max(0, maxBytes - mark.length);
  const whole = Buffer.from(content);
  while (end > 0 && ((whole[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return whole.toString('utf8', 0, end) + mark;
}
