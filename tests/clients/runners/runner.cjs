/** What every runner of Node is given: as `runner.py` for those of Python. */
const { existsSync, readFileSync, writeFileSync } = require('node:fs');

const [api, url, model, how, file, words] = process.argv.slice(2);

/** The picture that the words name, as base64. */
const picture = words.startsWith('PICTURE ')
  ? readFileSync(words.slice('PICTURE '.length)).toString('base64')
  : undefined;

module.exports = {
  api,
  baseURL: `${url}/v1`,
  model,
  streamed: how === 'streamed',
  words,
  picture,
  /** What was said before, as the library has it. */
  history: () => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []),
  keep: (messages) => writeFileSync(file, JSON.stringify(messages)),
  weather: ({ city }) => `sunny in ${city}`,
  /** Ends as a program does that failed. */
  run: (main) =>
    main().then(
      () => process.exit(0),
      (fault) => {
        console.error(fault);
        process.exit(1);
      },
    ),
};
