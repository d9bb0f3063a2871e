/** Reads a task file; every error names it. */
import { existsSync } from 'node:fs';

import type { Config } from '../core/config.js';
import { operatorError } from '../core/errors.js';
import { parseTasks, type Task } from '../core/learning/task.js';
import type { Toolbox } from '../core/tool.js';
import { prefixOf } from '../../tools/mcp/names.js';
import { FAMILIES } from '../tasks/families/families.js';
import { make } from '../tasks/family.js';
import { readText } from './text_file.js';

/** A tool of a server may be named before the server is up: it is known by its prefix. */
export function readTasks(path: string, toolbox: Toolbox, { mcp }: Pick<Config, 'mcp'>): Task[] {
  const prefixes = mcp.map((server) => prefixOf(server.name));
  return parseTasks(readText(path, `the task file "${path}"`), path, {
    has: (name) => toolbox.has(name) || prefixes.some((prefix) => name.startsWith(prefix)),
    names: [...toolbox.keys(), ...prefixes.map((prefix) => `${prefix}...`)],
  });
}

/**
 * The tasks that `--tasks` means: a file, or the training tasks of a family that were taken in (`known`), or else ones
 * that are made where the family needs no documents.
 */
export function tasksMeant(
  meant: string,
  known: readonly Task[],
  toolbox: Toolbox,
  config: Pick<Config, 'mcp'>,
): readonly Task[] {
  const family = FAMILIES.find(({ name }) => name === meant);
  const taken = known.filter(({ metadata }) => metadata['family'] === meant);
  if (existsSync(meant) || (family === undefined && taken.length === 0)) return readTasks(meant, toolbox, config);
  if (taken.length > 0 || family === undefined) return taken;
  const { tasks, documents } = make(family, 1, { train: 256, heldout: 0, shots: 0 });
  if (documents.length === 0) return tasks;
  throw operatorError(
    `the family "${meant}" asks about documents: make both with "gyre tasks make ${meant} --out FILE", index them as ` +
      'it says, and name the file',
  );
}
