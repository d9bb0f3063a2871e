/** Reads a task file; every error names it. */
import { readFileSync } from 'node:fs';

import { operatorError, reasonOf } from '../core/errors.js';
import { parseTasks, type Task } from '../core/learning/task.js';

export function readTasks(path: string): Task[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw operatorError(`cannot read the task file "${path}": ${reasonOf(cause)}`, cause);
  }
  return parseTasks(text, path);
}
