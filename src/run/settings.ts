/** From flags, file and environment to one Config. Flags win over the file, the file over defaults. */
import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';

import { parse } from 'yaml';

import { parseConfig, type Config } from '../core/config.js';
import { operatorError, reasonOf } from '../core/errors.js';
import { readText } from './text_file.js';

/** Flags any verb takes, as commander hands them over. */
export interface Flags {
  readonly config?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly data?: string | undefined;
  readonly engine?: string | undefined;
  readonly trainer?: string | undefined;
  readonly learn?: string | undefined;
}

/** Reads `--config F`, or `gyre.yaml` where there is one, and lays the flags over it. */
export function settings(flags: Flags, env: Readonly<Record<string, string | undefined>>, cwd: string): Config {
  const path = flags.config ?? (existsSync(resolve(cwd, 'gyre.yaml')) ? 'gyre.yaml' : undefined);
  const config = parseConfig(path === undefined ? {} : readYaml(resolve(cwd, path), path), env, path);
  const port = flags.port === undefined ? config.port : portOf(flags.port);
  const data = flags.data ?? config.data;
  const engineKey = env[ENGINE_KEY]?.trim() ?? '';
  return {
    ...config,
    port,
    data: isAbsolute(data) ? data : resolve(cwd, data),
    // For an engine that is given by a flag, where there is no file to hold its key.
    ...(engineKey === '' || config['engine.api_key'] !== undefined ? {} : { 'engine.api_key': engineKey }),
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.engine === undefined ? {} : { 'engine.url': urlOf(flags.engine, '--engine') }),
    ...(flags.trainer === undefined ? {} : { 'trainer.url': urlOf(flags.trainer, '--trainer') }),
    ...(flags.learn === undefined ? {} : { learn: parseOnOff(flags.learn) }),
  };
}

/** The variable that holds the key of an engine given by address. */
const ENGINE_KEY = 'GYRE_ENGINE_KEY';

function readYaml(path: string, name: string): unknown {
  const text = readText(path, `the configuration "${name}"`);
  try {
    return parse(text) as unknown;
  } catch (cause) {
    // The first line says what and where; the others quote the file, which may hold keys.
    throw operatorError(`"${name}" is not YAML: ${reasonOf(cause).split('\n')[0]?.replace(/:$/, '') ?? ''}`);
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw operatorError(`--port is "${text}"; it must be a whole number from 0 (any free port) to 65535`);
  return port;
}

function urlOf(text: string, flag: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw operatorError(`${flag} is "${text}"; it must be an address like http://127.0.0.1:8000`);
  // A trailing /v1 is how OpenAI clients write the same address.
  return text.replace(/\/+$/, '').replace(/\/v1$/, '');
}

function parseOnOff(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw operatorError(`--learn is "${text}"; it must be on or off`);
}
