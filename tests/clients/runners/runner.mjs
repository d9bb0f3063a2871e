/** What every runner of Node is given: as `runner.py` for those of Python. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const [api, url, model, how, file, words] = process.argv.slice(2);
export const baseURL = `${url}/v1`;
export const streamed = how === 'streamed';

/**
 * Loads a package of the folder that was installed for it: an import would find that of this checkout first, which may
 * be another version.
 */
export const installed = createRequire(join(process.env.GYRE_PROGRAM, 'package.json'));

/** The picture that the words name, as base64. */
export const picture = words.startsWith('PICTURE ')
  ? readFileSync(words.slice('PICTURE '.length)).toString('base64')
  : undefined;

/** What was said before, as the library has it. */
export const history = () => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []);
/** @param {unknown} messages */
export const keep = (messages) => writeFileSync(file, JSON.stringify(messages));

export const parameters = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'number' } },
  required: ['city', 'days'],
  additionalProperties: false,
};
/** @param {{ city: string, days: number }} asked */
export const weather = ({ city, days }) => {
  if (days !== 2) throw new Error(`asked for ${days} days`);
  return `sunny in ${city}`;
};

let pieces = 0;
/** Prints one piece of a streamed answer. @param {string} text */
export function tell(text) {
  if (text !== '') pieces += 1;
  process.stdout.write(text);
}

/** Ends as a program does that failed. @param {() => Promise<void>} main */
export const run = (main) =>
  main().then(
    () => process.stdout.write(streamed ? `\n[${pieces} pieces]\n` : '', () => process.exit(0)),
    (fault) => {
      console.error(fault);
      process.exit(1);
    },
  );
