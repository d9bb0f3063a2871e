/** Reads a task file; every error names it. */
import { readFileSync } from 'node:fs';

import type { Config } from '../core/config.js';
import { operatorError, reasonOf } from '../core/errors.js';
import { parseTasks, type Task } from '../core/learning/task.js';
import { decodeText } from '../core/text/decode.js';
import type { Toolbox } from '../core/tool.js';
import { prefixOf } from '../../tools/mcp/names.js';

/** A tool of a server may be named before the server is up: it is known by its prefix. */
export function readTasks(path: string, toolbox: Toolbox, { mcp }: Pick<Config, 'mcp'>): Task[] {
  const prefixes = mcp.map((server) => prefixOf(server.name));
  return parseTasks(readText(path), path, {
    has: (name) => toolbox.has(name) || prefixes.some((prefix) => name.startsWith(prefix)),
    names: [...toolbox.keys(), ...prefixes.map((prefix) => `${prefix}...`)],
  });
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw operatorError(`cannot read the task file "${path}": ${reasonOf(cause)}`, cause);
  }
  const decoded = decodeText(bytes);
  if (decoded.text === undefined) throw operatorError(`the task file "${path}" cannot be read: ${decoded.fault}`);
  return decoded.text;
}
