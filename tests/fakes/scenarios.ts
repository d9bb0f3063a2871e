/**
 * A script for real clients: the policy does what a word in the user's last message asks for, so that a client in
 * another language can drive it with nothing but its own interface.
 */
import type { ChatBody, EngineCall, Reply, Script } from './engine.js';
import { adder, tool, type GatewayOptions } from './gateway.js';

/** By the id of its call it shows that an agent only says that it is done. */
const FINAL = 'call_final';

/** Said wherever no word is. */
const PLAIN = ['Hello', ' from', ' the', ' policy.'];

const SUM: EngineCall = { id: 'call_sum', name: 'calculator', arguments: '{"expression": "19 + 23"}' };
/**
 * Spelled as no JSON library would, and not in the order of any schema: clients that parse it send it back differently.
 */
const WEATHER: EngineCall = { id: 'call_weather', name: 'weather', arguments: '{"days": 2.0,"city":"Rome"}' };

/** A program that has no such tool prints the weather by its own shell, whatever that is called. */
const PRINT = { command: 'echo sunny in Rome', description: 'Tells the weather' };
const SHELLS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  exec_command: { cmd: PRINT.command },
  Bash: PRINT,
  bash: PRINT,
  run_shell_command: { ...PRINT, is_background: false },
};
/** What programs look at a picture with, and what such tools call its path. */
const VIEWERS = ['view_image', 'Read', 'read'];
const PATHS = ['path', 'file_path', 'filePath'];

/** What the first turn calls, as far as it is offered; once the results are there, the policy repeats them. */
function callsOf(word: string, asked: string, tools: NonNullable<ChatBody['tools']>): readonly EngineCall[] {
  const offered = new Map(tools.map(({ function: { name, parameters } }) => [name, parameters]));
  const has = (name: string): boolean => offered.has(name);
  const call = (name: string | undefined, args: unknown): readonly EngineCall[] =>
    name === undefined ? [] : [{ id: `call_${name}`, name, arguments: JSON.stringify(args) }];
  const own = (): readonly EngineCall[] => {
    const shell = Object.keys(SHELLS).find(has);
    return has('weather') ? [WEATHER] : call(shell, SHELLS[shell ?? '']);
  };
  const look = (): readonly EngineCall[] => {
    const viewer = VIEWERS.find(has);
    const takes = Object.keys(offered.get(viewer ?? '')?.properties ?? {});
    return call(viewer, { [PATHS.find((name) => takes.includes(name)) ?? '']: /PICTURE ([^\s"]+)/.exec(asked)?.[1] });
  };
  const sum = has('calculator') ? [SUM] : [];
  return { SERVER_TOOL: sum, OWN_TOOL: own(), MIXED: [...sum, ...own()], PICTURE: look() }[word] ?? [];
}
/** Slow enough that no two pieces are one by the time they are told. */
const STREAMED_MS = 50;
/** Twenty seconds of tokens: whoever waits for their end has not stopped it. */
const SLOW: Reply = { text: Array.from({ length: 1_000 }, (_, at) => ` ${at}`), delayMs: 20 };
const BUSY: Reply = {
  status: 429,
  headers: { 'retry-after': '1' },
  body: JSON.stringify({ error: { message: 'every seat is taken', type: 'rate_limit_error', code: 429 } }),
};
const BROKEN: Reply = { text: ['Half', ' an', ' answer', ' and', ' no'], reset: 4 };

/** What vLLM says of pictures where its model reads text alone. */
const BLIND: Reply = {
  status: 400,
  body: JSON.stringify({ error: { message: 'base is not a multimodal model', type: 'BadRequestError', code: 400 } }),
};

const byWord: Script = ({ path, body }) => {
  if (path === '/v1/completions') {
    const prompt = JSON.stringify(body.prompt);
    return prompt.includes('SLOW') ? SLOW : prompt.includes('BROKEN') ? BROKEN : { text: PLAIN };
  }
  if (JSON.stringify(body.messages).includes('"image_url"')) return BLIND;
  const at = body.messages.findLastIndex(
    (message) => message.role === 'user' && !isResult(message) && !isReminder(message),
  );
  const asked = textOf(body.messages[at]?.content);
  const word = /\b(SERVER_TOOL|OWN_TOOL|MIXED|PICTURE|STREAMED|SLOW|BUSY|BROKEN)\b/.exec(asked)?.[1];
  if (word === 'STREAMED') return answer(body, PLAIN, STREAMED_MS);
  if (word === 'SLOW') return SLOW;
  if (word === 'BUSY') return BUSY;
  if (word === 'BROKEN') return BROKEN;
  const results = body.messages
    .slice(at + 1)
    .filter(isResult)
    .map((message) => textOf(message.content).replace(OBSERVED, ''));
  const calls = word === undefined ? [] : callsOf(word, asked, body.tools ?? []);
  if (calls.length > 0 && results.length === 0) return { calls };
  return answer(body, results.length === 0 ? PLAIN : ['The', ' tools', ' say ', results.join(' and '), '.']);
};

/** The gateway clients are tested against. Two tools by default, so that it shows when a request names one. */
export const FOR_CLIENTS: GatewayOptions = {
  script: byWord,
  tools: [adder, tool('shout', ({ text }) => String(text).toUpperCase())],
  config: { 'tools.default': ['calculator', 'shout'] },
};

/** What an agent that must end with a call of its own calls. */
const ENDS = ['final_answer', 'submit'];
/** And what an agent prints by its shell for that. */
const DONE = 'COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT';
/** How DSPy's modules mark the answer that they read out of the text. */
const FORM = '[[ ## answer ## ]]';

/** In the form that a program reads it in, whatever that is. */
function answer(body: ChatBody, pieces: readonly string[], delayMs = 0): Reply {
  const text = pieces.join('');
  const end = (name: string, args: unknown): Reply => calling(name, JSON.stringify(args), delayMs);
  const offered = (body.tools ?? []).map((tool) => tool.function.name);
  const choice = body.tool_choice as { readonly function?: { readonly name: string } } | undefined;
  const ending = choice?.function?.name ?? ENDS.find((name) => offered.includes(name));
  if (ending !== undefined) return end(ending, { answer: text });
  if (offered.includes('bash') && JSON.stringify(body.messages).includes(DONE))
    return end('bash', { command: `echo ${DONE}\ncat <<'END'\n${text}\nEND` });
  if (body.structured_outputs !== undefined || isSchema(body.response_format))
    return { text: ['{"answer"', ': "', ...pieces, '"}'], delayMs };
  if (textOf(body.messages[0]?.content).includes(FORM))
    return { text: [`${FORM}\n`, ...pieces, '\n\n[[ ## completed ## ]]'], delayMs };
  return { text: pieces, delayMs };
}

/** In pieces where it is to be streamed. */
function calling(name: string, args: string, delayMs: number): Reply {
  if (delayMs === 0) return { calls: [{ id: FINAL, name, arguments: args }] };
  const head = { index: 0, id: FINAL, type: 'function', function: { name, arguments: '' } };
  const pieces = args.match(/\W*\w+\W*?/g) ?? [];
  const rest = args.slice(pieces.join('').length);
  return {
    deltas: [
      { tool_calls: [head] },
      ...[...pieces, rest].map((piece) => ({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
    ],
    finish: 'tool_calls',
    delayMs,
  };
}

const isSchema = (format: unknown): boolean =>
  (format as { readonly type?: string } | undefined)?.type === 'json_schema';

/** Some agents tell a result as the user's words. */
const OBSERVED = /^Observation:\n/;

function isResult({ role, content }: ChatBody['messages'][number]): boolean {
  return role === 'tool' || (role === 'user' && OBSERVED.test(textOf(content)));
}

/** What a program, or the gateway, says of itself in the user's name, and nothing else. */
const REMINDERS = [
  /^\s*(<system-reminder>[^]*?<\/system-reminder>\s*)+$/,
  /^\s*Respond with the corresponding output fields.*$/,
  /^\s*Now give this answer in the required format.*$/,
];
const isReminder = ({ content }: ChatBody['messages'][number]): boolean =>
  REMINDERS.some((reminder) => reminder.test(textOf(content)));

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part: { readonly text?: string }) => part.text ?? '').join('');
}
