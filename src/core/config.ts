/**
 * One configuration object, parsed once and passed as a value. Every key has a default, at most 40 names stand at the
 * top of the file, and an unknown key is refused with the nearest known name.
 */
import { z } from 'zod';

import { valueAt } from './check.js';
import { operatorError } from './errors.js';
import { LABELLERS } from './judging/learned.js';
import { CalibrationKey, Gate, knowsComparer } from './judging/gate_key.js';
import { FILTERS, TRAIN_MODES } from './learning/cycle.js';
import { NEVER_REWARD, REWARDS } from './learning/deciding.js';
import { LEAST_GROUPS } from './learning/group.js';
import { nearest } from './text/nearest.js';
import { isPolicyName } from './serving.js';

const port = z.int().min(0).max(65535);
const positive = z.number().positive();
const count = z.int().positive();

const address = z.url({ protocol: /^https?$/, error: 'must be an address like http://127.0.0.1:8000' });
const label = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be 1 to 32 lower-case letters, digits or "_", a letter first');
const pattern = z.string().min(1).refine(isPattern, 'is not a regular expression');

/** Any OpenAI-compatible server: asked for the model names it lists here, with the key it has here. */
const Upstream = z.strictObject({
  /** With or without `/v1`. */
  url: address.refine(
    (url) => !URL.canParse(url) || new URL(url).username === '',
    'holds a user name; put the key into "api_key"',
  ),
  models: z
    .array(
      z
        .string()
        .min(1)
        .refine((name) => !isPolicyName(name), "is a name of this gateway's own models"),
    )
    .min(1),
  api_key: z.string().min(1).optional(),
  /**
   * What goes back to it of a turn it took: the turn as it came, with fields of its own (`reasoning_content`,
   * signatures of thoughts), which is the default, or only OpenAI's, for a server that refuses what it wrote itself.
   */
  resend: z.enum(['as_it_came', 'plain']).optional(),
});

const Upstreams = z.array(Upstream).superRefine((list, context) => {
  const seen = new Set<string>();
  list.forEach(({ models }, at) =>
    models.forEach((name, place) => {
      if (seen.has(name))
        context.addIssue({
          code: 'custom',
          path: [at, 'models', place],
          message: 'is listed twice; a name belongs to one upstream',
        });
      seen.add(name);
    }),
  );
});

/** Of a web page that may ask: what its browser sends as `Origin`, or `*` for every page. */
const Origin = z
  .string()
  .regex(
    /^(?:\*|[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*]+)$/i,
    'must be an origin like https://app.example.com, without a path, or "*"',
  );

/**
 * A server of tools. `command` starts it as a child process, which only the operator may do; `url` speaks streamable
 * HTTP.
 */
const McpServer = z
  .strictObject({
    name: label,
    url: address.optional(),
    headers: z.record(z.string(), z.string()).optional(),
    command: z.string().min(1).optional(),
    args: z.array(z.string()).optional(),
    env: z.record(z.string(), z.string()).optional(),
    /** Only these of its tools; all without it. */
    tools: z.array(z.string().min(1)).optional(),
    timeout_seconds: positive.optional(),
    output_bytes: count.optional(),
  })
  .refine((server) => (server.url === undefined) !== (server.command === undefined), 'needs either "url" or "command"');

/** How the policy is drawn from where a request does not say. */
const DefaultSampling = z.strictObject({
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  max_tokens: count.optional(),
});

/** Tools that reach into the web; both are off until they are named here. */
const Web = z.strictObject({ search_url: address.optional(), fetch: z.boolean().default(false) });

/** What of the log is kept although it is old, or the log too large. */
const KEPT = [
  /** Trajectories of which a step is in a batch that a version learned from which serves or has served. */
  'promoted',
  /** Trajectories of which a step is in a batch that any version learned from. */
  'trained',
  /** Trajectories with feedback or labels. */
  'labelled',
] as const;
export type Kept = (typeof KEPT)[number];

/** How long the log is kept, and how large it may grow; the oldest goes first. */
const Retention = z
  .strictObject({
    days: positive.optional(),
    gib: positive.optional(),
    keep: z.array(z.enum(KEPT)).default([]),
  })
  .refine(
    ({ days, gib }) => days !== undefined || gib !== undefined,
    'needs "days" (how long the log is kept), "gib" (how large it may grow), or both; example: {days: 90, gib: 20}',
  );

/** A model that judges: any OpenAI endpoint. docs/rewards.md. */
const ModelJudge = z.strictObject({
  name: label.refine(
    (name) => ![...REWARDS, ...NEVER_REWARD].some((own) => own === name),
    'is the name of a judge that is always there',
  ),
  kind: z.literal('model'),
  url: address,
  model: z.string().min(1),
  api_key: z.string().min(1).optional(),
  /** One that comes with Gyre (`process`, `reward`, `outcome`), or the path of a file. */
  prompt: z.string().min(1).default('process'),
  /** Opinions, of which the majority counts. */
  samples: z.int().min(1).max(32).default(1),
  temperature: z.number().min(0).max(2).optional(),
  max_tokens: count.default(768),
  timeout_seconds: positive.max(55).default(30),
  retries: z.int().min(0).max(10).default(2),
  requests_per_minute: count.optional(),
  tokens_per_minute: count.optional(),
  tokens_per_day: count.optional(),
  price: z.strictObject({ input: z.number().nonnegative(), output: z.number().nonnegative() }).optional(), // a million
});

/** The policy's own ends as a judge: what an action is worth by how often the right end is come to from there. */
const RolloutJudge = z.strictObject({
  name: ModelJudge.shape.name,
  kind: z.literal('rollout'),
  /** Ends from one action, and steps of each. */
  ends: z.int().min(1).max(64).default(4),
  steps: z.int().min(1).max(64).default(6),
  temperature: z.number().gt(0).max(2).default(0.7),
  /** Actions that are judged so in a day. */
  budget: count.optional(),
});

/** A judge that is trained here, an adapter on the serving engine. docs/rewards.md. */
const LearnedJudge = z.strictObject({
  name: ModelJudge.shape.name,
  kind: z.literal('learned'),
  /** Whose verdicts it learns from: of one step the first that said anything. */
  labels: z
    .array(z.enum(LABELLERS))
    .min(1, 'names nobody to learn from')
    .refine((list) => new Set(list).size === list.length, 'names somebody twice')
    .default([...LABELLERS]),
  /** With fewer none is trained; of more than `max_labels` the newest are taken. */
  min_labels: z.int().min(50).default(200),
  max_labels: z.int().min(50).max(50_000).default(4_000),
  /** So many of them are not trained on, a third of these to calibrate it; as many as it takes where it is not said. */
  heldout: z.number().min(0.1).max(0.6).optional(),
  /** An adapter's, and the engine is started for 16 at most. */
  rank: z.int().min(1).max(16).default(16),
  rate: positive.max(0.1).optional(),
  /** Over the labels; as many as make some 200 steps of 16 labels, where it is not said. */
  passes: z.int().min(1).max(50).optional(),
  /** So near to one half it says nothing. */
  unsure: z.number().min(0).lt(0.5).default(0.1),
  /** So much of its wording a question has to share with a labelled one. */
  near: z.number().min(0).max(1).default(0.3),
});

/** Several judges as one. docs/rewards.md. */
const PanelJudge = z.strictObject({
  name: ModelJudge.shape.name,
  kind: z.literal('panel'),
  /** Names. */
  of: z
    .array(label)
    .min(2)
    .refine((list) => new Set(list).size === list.length, 'names a judge twice'),
  rule: z.enum(['mean', 'majority', 'all', 'weighted']).default('majority'),
});

const Judges = z
  .array(z.discriminatedUnion('kind', [ModelJudge, RolloutJudge, LearnedJudge, PanelJudge]))
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'names a judge twice');

/** Names of judges that may reward. */
const Rewards = z
  .array(label)
  .refine((list) => new Set(list).size === list.length, 'names a judge twice')
  .refine(
    (list) => !list.some((name) => NEVER_REWARD.some((own) => own === name)),
    `may not name ${NEVER_REWARD.join(' or ')}: none of them knows right from wrong`,
  );

export type ModelJudge = z.infer<typeof ModelJudge>;
export type RolloutJudge = z.infer<typeof RolloutJudge>;
export type LearnedJudge = z.infer<typeof LearnedJudge>;
export type PanelJudge = z.infer<typeof PanelJudge>;
export type Retention = z.infer<typeof Retention>;
export type Upstream = z.infer<typeof Upstream>;
export type McpServer = z.infer<typeof McpServer>;
export type Web = z.infer<typeof Web>;

/** Every key, its default and its bounds. docs/running.md has each; a guard compares. */
export const ConfigKeys = {
  host: z.string().default('127.0.0.1'),
  port: port.default(8080),
  data: z.string().default('.gyre'),
  learn: z.boolean().default(false),
  'engine.url': z.string().optional(),
  'engine.model': z.string().optional(),
  'engine.api_key': z.string().optional(),
  'engine.timeout_seconds': positive.default(120),
  upstreams: Upstreams.default([]),
  cors: z.array(Origin).default([]),
  'trainer.url': z.string().optional(),
  'model.path': z.string().optional(),
  sampling: DefaultSampling.default({}),
  'tools.default': z.array(z.string()).default(['calculator']),
  mcp: z.array(McpServer).default([]),
  web: Web.default({ fetch: false }),
  redact: z.array(pattern).default([]),
  log: z.enum(['best_effort', 'required']).default('best_effort'),
  retention: Retention.optional(),
  'chat.reasoning': z.enum(['reasoning', 'reasoning_content', 'both']).default('reasoning'),
  'tools.timeout_seconds': positive.default(10),
  'tools.output_bytes': count.default(16_384),
  'limits.steps': count.default(8),
  'limits.tool_calls': count.default(16),
  'limits.seconds': positive.default(300),
  'limits.concurrency': count.default(256),
  'limits.body_bytes': count.default(32 * 1024 * 1024),
  'limits.bytes_in_flight': count.default(128 * 1024 * 1024),
  'limits.answer_bytes': count.default(16 * 1024 * 1024),
  'learning.mode': z.enum(TRAIN_MODES as [string, ...string[]]).default('resample'),
  'learning.filter': z.enum(FILTERS as [string, ...string[]]).default('prefix'),
  // Of one alone nobody can say whether it is better than another.
  'learning.samples': z.int().min(2, 'must be at least 2: one action is better than no other').default(8),
  'learning.temperature': positive.default(0.7),
  'learning.min_steps': count.default(32),
  'learning.max_states': z
    .int()
    .min(LEAST_GROUPS, `must be at least ${LEAST_GROUPS}, which an update takes`)
    .default(48),
  'learning.reuse': count.default(4),
  'learning.key_share': z.number().gt(0).max(1).default(0.2),
  'learning.rate': positive.optional(),
  'learning.heldout': z.string().optional(),
  'learning.rewards': Rewards.default([...REWARDS]),
  judges: Judges.default([]),
  calibration: CalibrationKey.prefault({}),
  gate: Gate.default(() => Gate.parse({})),
} as const;

export type ConfigKey = keyof typeof ConfigKeys;
export type Config = { readonly [K in ConfigKey]: z.infer<(typeof ConfigKeys)[K]> };

/** Keys of earlier versions, and what to do instead. */
const RETIRED: Readonly<Record<string, string>> = {
  'gate.confidence':
    'what is enough for the gate follows from how often it has decided (docs/gate.md). Take the key out; ' +
    'how much is asked can be set by gate: {max_tasks: 1024}, and what must not get worse by gate: {families: [...]}.',
};

/** A retention that the command line says; throws as {@link parseConfig} does. */
export function retentionOf(raw: unknown): Retention | undefined {
  return parseConfig({ retention: raw }, {}, 'gyre prune').retention;
}

/** A nested YAML value, or a flat record of dotted keys, becomes a Config. `${NAME}` is taken from `env`. */
export function parseConfig(
  raw: unknown,
  env: Readonly<Record<string, string | undefined>> = {},
  file = 'configuration',
): Config {
  const flat = flatten(raw, '', file);
  const known = Object.keys(ConfigKeys) as ConfigKey[];
  const retired = valueAt(flat.get('gate'), ['confidence']) === undefined ? [] : ['gate.confidence'];
  for (const key of [...retired, ...flat.keys()]) {
    const instead = RETIRED[key];
    if (instead !== undefined) throw operatorError(`${file}: key "${key}" is no more: ${instead}`);
    if (!(known as string[]).includes(key)) {
      throw operatorError(
        `${file}: unknown key "${key}". Did you mean "${nearest(key, known)}"? Known keys: ${known.join(', ')}.`,
      );
    }
  }
  const out: Record<string, unknown> = {};
  for (const key of known) {
    const value = interpolate(flat.get(key), env, key, file);
    const parsed = ConfigKeys[key].safeParse(value ?? undefined);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const place = (issue?.path ?? []).map((step) => `[${JSON.stringify(step)}]`).join('');
      throw operatorError(
        `${file}: key "${key}"${place} is ` +
          `${printable([key, ...(issue?.path ?? [])], valueAt(value, issue?.path ?? []))}: ` +
          `${issue?.message ?? 'invalid'}.`,
      );
    }
    if (parsed.data !== undefined) out[key] = parsed.data;
  }
  knowsRewarders(out as Config, file);
  knowsComparer((out as Config).judges, (out as Config).gate, file);
  knowsMembers(out as Config, file);
  return out as Config;
}

function knowsRewarders({ judges, 'learning.rewards': rewards }: Config, file: string): void {
  const names = [...REWARDS, ...judges.map(({ name }) => name)];
  for (const name of rewards)
    if (!names.includes(name))
      throw operatorError(
        `${file}: key "learning.rewards" names "${name}", which is no judge. Did you mean "${nearest(name, names)}"? ` +
          `There are: ${names.join(', ')}; models are declared by "judges".`,
      );
}

function knowsMembers({ judges }: Config, file: string): void {
  const names = ['reference', ...NEVER_REWARD, ...judges.flatMap(({ kind, name }) => (kind === 'panel' ? [] : [name]))];
  for (const panel of judges)
    for (const name of panel.kind === 'panel' ? panel.of : [])
      if (!names.includes(name))
        throw operatorError(
          `${file}: the panel "${panel.name}" of "judges" names "${name}", which is no judge that it can ask. ` +
            `Did you mean "${nearest(name, names)}"? There are: ${names.join(', ')}.`,
        );
}

function flatten(raw: unknown, prefix: string, file: string): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  if (raw === null || raw === undefined) return flat;
  if (typeof raw !== 'object' || Array.isArray(raw)) {
    throw operatorError(
      `${file}: ${prefix === '' ? 'the file' : `"${prefix}"`} must be a mapping of keys ` +
        'to values, for example "port: 8080".',
    );
  }
  for (const [name, value] of Object.entries(raw)) {
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const isSection = Object.keys(ConfigKeys).some((known) => known.startsWith(`${key}.`));
    if (isSection && value !== null && typeof value === 'object')
      for (const [k, v] of flatten(value, key, file)) flat.set(k, v);
    else flat.set(key, value);
  }
  return flat;
}

function interpolate(
  value: unknown,
  env: Readonly<Record<string, string | undefined>>,
  key: string,
  file: string,
): unknown {
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env, key, file));
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, interpolate(item, env, key, file)]));
  if (typeof value !== 'string') return value;
  return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const found = env[name];
    if (found === undefined)
      throw operatorError(`${file}: key "${key}" names the environment variable ${name}, which is not set.`);
    return found;
  });
}

/** Fields whose values may be secrets, at whatever depth. */
const SECRET = /(^|\.)(api_key|headers|env)$/;

/** A value as a message quotes it, without secrets: such messages end up in logs. */
function printable(path: readonly PropertyKey[], value: unknown): string {
  if (path.some((step) => SECRET.test(String(step)))) return 'a value that is not shown';
  return JSON.stringify(value, (name, inner: unknown) => (SECRET.test(name) ? '(not shown)' : inner));
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'gu');
    return true;
  } catch {
    return false;
  }
}
