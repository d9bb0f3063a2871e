/** A request as one line of the log: whose answer it was. */
import { expect, it } from 'vitest';

import { GyreError } from '../../../src/core/errors.js';
import type { Source } from '../../../src/core/serving.js';
import { requestLines } from '../../../src/run/lines/requests.js';
import type { Fields } from '../../../src/run/lines/fields.js';

function lineOf(source: Source): Fields | undefined {
  const lines: Fields[] = [];
  const watch = requestLines((fields) => lines.push(fields)).arrived(
    { requestId: 'mine', startedAt: Date.now(), header: () => undefined },
    '/v1/chat/completions',
  );
  watch.accepted({
    model: 'm',
    engineModel: 'm',
    trajectoryId: 'traj-1',
    responseId: 'chatcmpl-1',
    stream: false,
    source,
  });
  watch.closed(200, 'delivered');
  return lines[0];
}

it('names the version of the policy that answered', () => {
  expect(lineOf({ kind: 'policy', version: 3 })).toMatchObject({ policy_version: 3, upstream: undefined });
});

it('names the upstream that answered, and then no version', () => {
  expect(lineOf({ kind: 'upstream', host: 'api.example.org' })).toMatchObject({
    upstream: 'api.example.org',
    policy_version: undefined,
  });
});

it.each([
  ['the system', 'log_waiting', 'the disk is full', 'the disk is full'],
  ['another server, which may quote the request', 'engine_error', 'cannot say "my secret"', undefined],
])(
  'a refused request is told with its error, and with its reason where that is in words of %s',
  (_, code, message, reason) => {
    const lines: Fields[] = [];
    const watch = requestLines((fields) => lines.push(fields)).arrived(
      { requestId: 'mine', startedAt: Date.now(), header: () => undefined },
      '/v1/chat/completions',
    );
    watch.refused?.(new GyreError({ side: 'engine', status: 503, code, message }));
    watch.closed(503, 'delivered');
    expect(lines).toMatchObject([{ error: code, reason }]);
  },
);
