/**
 * Every route with what it takes and gives: the paths of /openapi.json. A route that is not described here fails a
 * test.
 */
import { z } from 'zod';

import { DEFAULT_PAGE, MAX_PAGE } from '../../core/paging.js';
import type { SHAPES } from './shapes.js';

/** The name of a body among the components. */
export type ShapeName = keyof typeof SHAPES | `${string}Request`;

export interface Reply {
  readonly says: string;
  readonly body: ShapeName | 'text';
  /** The same answer as server-sent events, for a request that asked for a stream. */
  readonly events?: true | undefined;
}

export interface Operation {
  readonly summary: string;
  readonly tag: 'Answers' | 'Models' | 'Feedback' | 'Operations' | 'Log' | 'Learning';
  /** Whose key it needs, once there are keys. */
  readonly key: 'none' | 'client' | 'admin';
  readonly query?: Readonly<Record<string, { readonly says: string; readonly schema: z.ZodType }>> | undefined;
  readonly body?: { readonly name: ShapeName; readonly required: boolean; readonly example: unknown } | undefined;
  readonly replies: Readonly<Record<number, Reply>>;
  /** Statuses of errors beyond those that the key and the body bring. */
  readonly errors: readonly number[];
  /** The shape of its errors, where that is not OpenAI's. */
  readonly failure?: ShapeName | undefined;
  /** Whether answers name a trajectory and a policy version in their headers. */
  readonly answer?: true | undefined;
}

const PAGE = {
  limit: { says: 'How many, newest first.', schema: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE) },
  after: { says: 'An id of the list; the page begins behind it.', schema: z.string() },
};

const answers = (name: ShapeName, reply: ShapeName, summary: string, example: unknown): Operation => ({
  summary,
  tag: 'Answers',
  key: 'client',
  answer: true,
  body: { name, required: true, example },
  replies: { 200: { says: 'The answer.', body: reply, events: true } },
  errors: [404, 429, 500, 502, 503, 504],
});

const reads = (
  summary: string,
  tag: Operation['tag'],
  key: Operation['key'],
  body: Reply['body'],
  more: Partial<Operation> = {},
): Operation => ({
  summary,
  tag,
  key,
  replies: { 200: { says: summary, body } },
  errors: [],
  ...more,
});

/** By method and path, path parameters in braces. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'POST /v1/chat/completions': answers(
    'ChatCompletionsRequest',
    'ChatCompletion',
    "Answers a conversation, running the server's tools on the way.",
    {
      model: 'gyre',
      messages: [{ role: 'user', content: 'What is 17 * 23?' }],
      tools: [{ type: 'gyre:calculator' }],
      max_tokens: 256,
    },
  ),
  'POST /v1/responses': answers('ResponsesRequest', 'Response', 'The same as the Responses API tells it.', {
    model: 'gyre',
    input: 'What is 17 * 23?',
    instructions: 'Answer briefly.',
  }),
  'POST /v1/messages': {
    ...answers('MessagesRequest', 'Message', "The same as Anthropic's Messages API tells it.", {
      model: 'gyre',
      max_tokens: 256,
      messages: [{ role: 'user', content: 'What is 17 * 23?' }],
    }),
    failure: 'MessagesError',
  },
  'POST /v1/messages/count_tokens': {
    summary: 'How many tokens the prompt of a request has.',
    tag: 'Answers',
    key: 'client',
    failure: 'MessagesError',
    body: {
      name: 'MessagesCountTokensRequest',
      required: true,
      example: { model: 'gyre', messages: [{ role: 'user', content: 'What is 17 * 23?' }] },
    },
    replies: { 200: { says: 'The count.', body: 'TokenCount' } },
    errors: [404, 429, 500, 501, 502, 503, 504],
  },
  'GET /v1/models': reads('The models a request may name.', 'Models', 'client', 'ModelList'),
  'GET /v1/models/{id}': reads('One model. An id may have slashes.', 'Models', 'client', 'Model', { errors: [404] }),
  'POST /v1/feedback': reads(
    'Adds feedback on an answer; the same twice is one row.',
    'Feedback',
    'client',
    'FeedbackRow',
    {
      body: {
        name: 'Feedback',
        required: true,
        example: { response_id: 'chatcmpl-0mh2k3v9a000', value: true, comment: 'right' },
      },
      errors: [404],
    },
  ),
  'GET /health': reads('Whether the process lives.', 'Operations', 'none', 'Health'),
  'GET /ready': reads('Whether requests can be answered.', 'Operations', 'none', 'Ready', {
    replies: {
      200: { says: 'They can.', body: 'Ready' },
      503: { says: 'Not yet; what is waited for.', body: 'Ready' },
    },
  }),
  'GET /metrics': reads('Numbers for Prometheus.', 'Operations', 'none', 'text'),
  'GET /openapi.json': reads('This document.', 'Operations', 'none', 'OpenApi'),
  'GET /gyre/v1/trajectories': reads('Logged conversations, newest first.', 'Log', 'client', 'TrajectoryList', {
    query: PAGE,
    errors: [400],
  }),
  'GET /gyre/v1/trajectories/{id}': reads('One conversation with its steps.', 'Log', 'client', 'Trajectory', {
    errors: [404],
  }),
  'DELETE /gyre/v1/trajectories/{id}': reads(
    'Deletes a conversation for good; says what it had reached.',
    'Log',
    'client',
    'Removal',
    { errors: [404] },
  ),
  'GET /gyre/v1/steps/{id}': reads('One step with its state and its lineage.', 'Log', 'client', 'Step', {
    errors: [404],
  }),
  'GET /gyre/v1/status': reads('What learning waits for.', 'Learning', 'client', 'Status'),
  'GET /gyre/v1/versions': reads(
    'Policy versions, newest first, with what was decided about them.',
    'Learning',
    'client',
    'VersionList',
    { query: PAGE, errors: [400] },
  ),
  'POST /gyre/v1/versions/{version}/promote': reads(
    'Serves a version that has passed the gate.',
    'Learning',
    'admin',
    'Decision',
    { errors: [400, 404, 409] },
  ),
  'POST /gyre/v1/rollback': reads(
    'Serves the weights that served before, under a new number.',
    'Learning',
    'admin',
    'Version',
    { errors: [409, 502, 503] },
  ),
  'GET /gyre/v1/cycles': reads('Learning cycles, newest first.', 'Learning', 'client', 'CycleList', {
    query: PAGE,
    errors: [400],
  }),
  'GET /gyre/v1/cycles/{id}': reads('One learning cycle.', 'Learning', 'client', 'Cycle', { errors: [404] }),
  'POST /gyre/v1/cycles': reads('Starts a learning cycle.', 'Learning', 'admin', 'Cycle', {
    body: { name: 'StartCycle', required: false, example: { gate: true } },
    replies: { 202: { says: 'It has begun.', body: 'Cycle' } },
    errors: [409, 502, 503],
  }),
};
