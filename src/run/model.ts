/** What a model's folder says of it beside its weights: its control tokens, and how its makers draw from it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import type { Config } from '../core/config.js';
import type { Sampling } from '../core/policy.js';
import {
  ANY_MODEL,
  type ControlTokens,
  controlTokensIn,
  isMarkup,
  type Neutraliser,
  neutraliserOf,
} from '../core/text/control.js';

/** Null and what has another form is as if it were not there: such files are made by many hands. */
const lenient = <T extends z.ZodType>(schema: T): z.ZodCatch<z.ZodOptional<T>> => schema.optional().catch(undefined);

const AddedToken = z.looseObject({ content: z.string(), special: lenient(z.boolean()) });
const Named = lenient(z.union([z.string(), AddedToken]));
const NAMES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const;
const TokenizerFile = z.looseObject({ added_tokens: lenient(z.array(AddedToken)) });
const TokenizerConfig = z.looseObject({
  ...Object.fromEntries(NAMES.map((name) => [name, Named])),
  additional_special_tokens: lenient(z.array(z.union([z.string(), AddedToken]))),
  added_tokens_decoder: lenient(z.record(z.string(), AddedToken)),
  chat_template: lenient(z.union([z.string(), z.array(z.looseObject({ template: z.string() }))])),
});
/** Mistral's own tokenizer file. */
const Tekken = z.looseObject({ special_tokens: lenient(z.array(z.looseObject({ token_str: z.string() }))) });

const GenerationConfig = z.looseObject({
  temperature: lenient(z.number().min(0).max(2)),
  top_p: lenient(z.number().gt(0).max(1)),
  top_k: lenient(z.int()),
  min_p: lenient(z.number().min(0).max(1)),
  repetition_penalty: lenient(z.number().positive()),
  max_new_tokens: lenient(z.int().positive()),
});

/** Breaks the control tokens of the model in `folder`; those of the common families where the folder does not tell. */
export function neutraliserFor(folder: string, template?: string): Neutraliser {
  const known = TokenizerFile.safeParse(readJson(folder, 'tokenizer.json')).data;
  const config = TokenizerConfig.safeParse(readJson(folder, 'tokenizer_config.json')).data;
  const special = TokenizerConfig.safeParse(readJson(folder, 'special_tokens_map.json')).data;
  const tekken = Tekken.safeParse(readJson(folder, 'tekken.json')).data;
  const added = [...(known?.added_tokens ?? []), ...Object.values(config?.added_tokens_decoder ?? {})];
  if (added.length === 0 && tekken?.special_tokens === undefined) return ANY_MODEL;

  const templates = [
    ...[template ?? '', join(folder, 'chat_template.jinja')].map(textAt),
    ...(typeof config?.chat_template === 'string'
      ? [config.chat_template]
      : (config?.chat_template ?? []).map((each) => each.template)),
  ].map(controlTokensIn);
  const turns = [
    ...added.filter((token) => token.special === true).map((token) => token.content),
    ...[config, special].flatMap((file) => (file === undefined ? [] : namedIn(file))),
    ...(tekken?.special_tokens ?? []).map((token) => token.token_str),
  ];
  return neutraliserOf({
    turns: [...turns.filter((token) => !isMarkup(token)), ...templates.flatMap((found) => found.turns)],
    markup: [
      ...[...added.map((token) => token.content), ...turns].filter(isMarkup),
      ...templates.flatMap((found) => found.markup),
    ],
  } satisfies ControlTokens);
}

/**
 * How the policy is drawn from where a request does not say: by the configuration, else by `generation_config.json`.
 * Where the answers themselves are trained on, the model's own word is taken for the temperature alone: an action drawn
 * with anything left out or tilted could not be (`truncated_sampling`).
 */
export function samplingFor(config: Config, folder: string | undefined): Sampling {
  const own = GenerationConfig.safeParse(folder === undefined ? undefined : readJson(folder, 'generation_config.json'));
  const { temperature, top_p, top_k, min_p, repetition_penalty, max_new_tokens } = own.data ?? {};
  const trained = config['learning.mode'] !== 'resample';
  const sampling: Sampling = {
    temperature,
    ...(trained ? {} : { top_p, top_k, min_p, repetition_penalty }),
    max_tokens: max_new_tokens,
    ...config.sampling,
  };
  return Object.fromEntries(Object.entries(sampling).filter(([, value]) => value !== undefined));
}

type TokenName = (typeof NAMES)[number];
type TokenNames = z.infer<typeof TokenizerConfig> & Readonly<Partial<Record<TokenName, z.infer<typeof Named>>>>;

function namedIn(file: TokenNames): readonly string[] {
  return [...NAMES.map((name) => file[name]), ...(file.additional_special_tokens ?? [])].flatMap((token) =>
    token === undefined ? [] : typeof token === 'string' ? [token] : [token.content],
  );
}

function textAt(path: string): string {
  return path !== '' && existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Undefined where there is no such file, or no JSON in it. */
function readJson(folder: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown;
  } catch {
    return undefined; // the engine, which needs the file, says what is wrong with it
  }
}
