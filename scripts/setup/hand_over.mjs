// @ts-check
/**
 * Goes on as the compiled program, in this very process: its signals, its exit code and its standard streams are
 * then ours by nature, and killing it kills no messenger first.
 */
import { pathToFileURL } from 'node:url';

/** @param {string} file @param {string[]} args */
export async function handOver(file, args) {
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}
