#!/usr/bin/env node
// Stands in for the trainer's Python: takes the same arguments, says the same line, and misbehaves on request.
// argv: -m gyre_trainer MODE... --parent-pid PID
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const args = process.argv.slice(2);
const mode = args[2];
const journal = args[3];
appendFileSync(journal, `start ${process.pid} ${args.slice(4).join(' ')}\n`);
if (mode === 'crash') {
  console.error('Traceback (most recent call last)\nModuleNotFoundError: no torch here');
  process.exit(3);
}
if (mode === 'unsupported') {
  console.error('starting\nFooForCausalLM is not supported: it dreams');
  process.exit(78);
}
const server = createServer((request, response) => {
  if (request.url === '/die') process.exit(7);
  response.end('{}');
});
server.listen(0, '127.0.0.1', () => console.log(`warming up\nlistening http://127.0.0.1:${server.address().port}`));
process.on('SIGTERM', () => {
  appendFileSync(journal, `term ${process.pid}\n`);
  if (mode !== 'stubborn') process.exit(0);
});
