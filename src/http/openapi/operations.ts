/**
 * Every route with what it takes and gives: the paths of /openapi.json. A route that is not described here fails a
 * test.
 */
import { z } from 'zod';

import { MOST_QUEUED } from '../../core/judging/labels.js';
import { DEFAULT_PAGE, MAX_PAGE } from '../../core/paging.js';
import {
  JUDGED,
  ORIGINS,
  OUTCOMES,
  RATINGS,
  type TrajectoryFilter,
  type View,
  VIEWS,
} from '../../core/reading/filters.js';
import { type Protocol, PROTOCOLS } from '../protocols.js';
import { RELAYED } from '../routes/relay.js';
import { requestName, type SHAPES } from './shapes.js';

/** The name of a body of the gateway's own routes among the components; `Response` is a protocol's. */
type ShapeName = keyof typeof SHAPES;

export interface Reply {
  readonly says: string;
  /** Its name among the components; `text` is plain text. */
  readonly body: string;
  /** The same answer as server-sent events, for a request that asked for a stream. */
  readonly events?: true | undefined;
}

export interface Operation {
  readonly summary: string;
  readonly tag: 'Answers' | 'Models' | 'Feedback' | 'Operations' | 'Log' | 'Learning';
  /** Whose key it needs, once there are keys. */
  readonly key: 'none' | 'client' | 'admin';
  readonly query?: Readonly<Record<string, { readonly says: string; readonly schema: z.ZodType }>> | undefined;
  readonly body?: { readonly name: string; readonly required: boolean; readonly example: unknown } | undefined;
  readonly replies: Readonly<Record<number, Reply>>;
  /** Statuses of errors beyond those that the key and the body bring. */
  readonly errors: readonly number[];
  /** The shape of its errors, where that is not OpenAI's. */
  readonly failure?: string | undefined;
  /** Whether answers name a trajectory and a policy version in their headers. */
  readonly answer?: true | undefined;
}

const PAGE = {
  limit: { says: 'How many, newest first.', schema: z.int().min(1).max(MAX_PAGE).default(DEFAULT_PAGE) },
  after: { says: 'An id of the list; the page begins behind it.', schema: z.string() },
};

const shownBy = (view: View): NonNullable<Operation['query']> => ({
  view: {
    says: "A few lines, or all of it with the messages as the client's or the policy's side has them.",
    schema: z.enum(VIEWS).default(view),
  },
  include: { says: 'Token ids and log-probabilities of each step.', schema: z.enum(['tokens']) },
});

const TIME = 'seconds since 1970, a date, or so long ago as 30m, 12h, 7d or 2w.';

const FILTERED = {
  version: { says: 'Only where this version of the policy took a step.', schema: z.int().min(0) },
  outcome: { says: 'Only where the newest response ended so.', schema: z.enum(OUTCOMES) },
  origin: { says: 'Only what a client asked, or the learner did.', schema: z.enum(ORIGINS) },
  key: { says: 'For admins: only what this key asked, by id or name; none is without a key.', schema: z.string() },
  task: { says: 'Only what answers this task.', schema: z.string() },
  good: { says: 'Only what the verdict that decides calls so; none has no verdict.', schema: z.enum(JUDGED) },
  feedback: { says: 'Only what was rated so.', schema: z.enum(RATINGS) },
  trainable: { says: 'Only where a step may be trained on, or where none may.', schema: z.boolean() },
  since: { says: `Only what began at this time or later: ${TIME}`, schema: z.string() },
  until: { says: `Only what began before this time: ${TIME}`, schema: z.string() },
  q: { says: 'Only where somebody said this, in whatever case.', schema: z.string() },
} satisfies Record<keyof TrajectoryFilter, unknown>;

/** What every protocol may meet: no such model, too slow, too much at once, and the faults of gateway and engine. */
const PROTOCOL_ERRORS = [404, 408, 429, 500, 502, 503, 504];

const protocolOperation = (protocol: Protocol): Operation => {
  const { operation, errors } = protocol;
  const sampled = protocol.face === undefined ? undefined : true;
  return {
    summary: operation.summary,
    tag: 'Answers',
    key: 'client',
    answer: sampled,
    body: { name: requestName(protocol), required: true, example: operation.example },
    replies: {
      200: {
        says: operation.reply.says,
        body: operation.reply.name,
        events: operation.whole === true ? undefined : sampled,
      },
    },
    errors: [...PROTOCOL_ERRORS, ...(operation.errors ?? [])],
    failure: errors.body.name,
  };
};

const relayed = (path: string): Operation => ({
  summary: `Passes the request on to the upstream whose model it names: ${path.slice('/v1/'.length)}.`,
  tag: 'Answers',
  key: 'client',
  body: {
    name: 'Relayed',
    required: true,
    example: { model: 'text-embedding-3-small', input: 'What is 17 * 23?' },
  },
  replies: { 200: { says: "The upstream's own reply, of whatever kind.", body: 'RelayedReply' } },
  errors: PROTOCOL_ERRORS,
});

const reads = (
  summary: string,
  tag: Operation['tag'],
  key: Operation['key'],
  body: ShapeName | 'Response' | 'text',
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
  ...Object.fromEntries(PROTOCOLS.map((protocol) => [`POST ${protocol.path}`, protocolOperation(protocol)])),
  ...Object.fromEntries(RELAYED.map((path) => [`POST ${path}`, relayed(path)])),
  'GET /v1/models': reads('The models a request may name.', 'Models', 'client', 'ModelList'),
  'GET /v1/models/{id}': reads('One model. An id may have slashes.', 'Models', 'client', 'Model', { errors: [404] }),
  'GET /v1/responses': reads(
    'Opens a WebSocket, on which requests and events are messages.',
    'Answers',
    'client',
    'text',
    {
      replies: { 101: { says: 'It is open: each message to it is a `response.create`.', body: 'text' } },
      errors: [403, 426],
    },
  ),
  'GET /v1/responses/{id}': reads('A response as it was answered.', 'Answers', 'client', 'Response', {
    query: {
      stream: { says: 'As the events it was told by.', schema: z.boolean().default(false) },
      starting_after: { says: 'Of a stream: only events after this number.', schema: z.int().min(0) },
    },
    replies: { 200: { says: 'A response as it was answered.', body: 'Response', events: true } },
    errors: [400, 404],
  }),
  'DELETE /v1/responses/{id}': reads(
    'Deletes a response; the conversation goes with its last one.',
    'Answers',
    'client',
    'DeletedResponse',
    { errors: [404] },
  ),
  'GET /v1/responses/{id}/input_items': reads(
    'What a response was an answer to.',
    'Answers',
    'client',
    'InputItemList',
    {
      query: {
        limit: { says: 'How many.', schema: z.int().min(1).max(100).default(20) },
        order: { says: 'The newest first, or the oldest.', schema: z.enum(['asc', 'desc']).default('desc') },
        after: { says: 'An id of the list; the page begins behind it.', schema: z.string() },
      },
      errors: [400, 404],
    },
  ),
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
  'POST /gyre/v1/labels': reads(
    'Adds what a person says of a step or a conversation, or takes a label back; a list of them all or none.',
    'Feedback',
    'admin',
    'Labelled',
    {
      body: {
        name: 'Label',
        required: true,
        example: { step_id: 'step-0mh2k3v9a000', good: false, comment: 'the sum is wrong' },
      },
      errors: [404, 409],
    },
  ),
  'GET /gyre/v1/labels': reads('Labels, newest first.', 'Feedback', 'admin', 'LabelList', {
    query: {
      ...PAGE,
      step_id: { says: 'Only labels on this step.', schema: z.string() },
      trajectory_id: { says: 'Only labels on this conversation and its steps.', schema: z.string() },
    },
    errors: [400],
  }),
  'GET /gyre/v1/labels/next': reads(
    'Steps to label: where judges are unsure, disagree, or users say otherwise, and a tenth by chance. No verdicts.',
    'Feedback',
    'admin',
    'LabelQueue',
    {
      query: { count: { says: 'How many.', schema: z.int().min(1).max(MOST_QUEUED).default(10) } },
      errors: [400],
    },
  ),
  'GET /health': reads('Whether the process lives.', 'Operations', 'none', 'Health'),
  'GET /ready': reads('Whether requests can be answered.', 'Operations', 'none', 'Ready', {
    replies: {
      200: { says: 'They can.', body: 'Ready' },
      503: { says: 'Not yet; what is waited for.', body: 'Ready' },
    },
  }),
  'GET /metrics': reads('Numbers for Prometheus.', 'Operations', 'admin', 'text'),
  'GET /openapi.json': reads('This document.', 'Operations', 'none', 'OpenApi'),
  'GET /gyre/v1/trajectories': reads(
    'Logged conversations that pass all that is asked for, newest first.',
    'Log',
    'client',
    'TrajectoryList',
    { query: { ...PAGE, ...shownBy('summary'), ...FILTERED }, errors: [400] },
  ),
  'GET /gyre/v1/trajectories/{id}': reads('One conversation with its steps.', 'Log', 'client', 'Trajectory', {
    query: shownBy('client'),
    errors: [400, 404],
  }),
  'DELETE /gyre/v1/trajectories/{id}': reads(
    'Deletes a conversation for good; says what it had reached.',
    'Log',
    'client',
    'Removal',
    { errors: [404] },
  ),
  'GET /gyre/v1/deletions/{id}': reads(
    'The deletion of a conversation, with the versions that came since.',
    'Log',
    'client',
    'Deletion',
    { errors: [404] },
  ),
  'GET /gyre/v1/steps/{id}': reads('One step with its state and its lineage.', 'Log', 'client', 'Step', {
    errors: [404],
  }),
  'GET /gyre/v1/status': reads('What learning waits for.', 'Learning', 'client', 'Status'),
  'GET /gyre/v1/judges': reads(
    'The judges: who may reward and why, how each is calibrated, what it said and took, and how they agree.',
    'Learning',
    'admin',
    'Judges',
  ),
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
  'POST /gyre/v1/restart': reads(
    'Goes on from a version that the trainer has, under a new number: from the newest where it has lost the head.',
    'Learning',
    'admin',
    'Version',
    { body: { name: 'Restart', required: false, example: { version: 1 } }, errors: [400, 404, 409, 502, 503] },
  ),
  'GET /gyre/v1/cycles': reads('Learning cycles, newest first.', 'Learning', 'client', 'CycleList', {
    query: PAGE,
    errors: [400],
  }),
  'GET /gyre/v1/cycles/{id}': reads('One learning cycle.', 'Learning', 'client', 'Cycle', { errors: [404] }),
  'GET /gyre/v1/evaluations': reads(
    'What versions did on sets of tasks (`gyre evaluate --full`), newest first.',
    'Learning',
    'admin',
    'EvaluationList',
    { query: PAGE, errors: [400] },
  ),
  'POST /gyre/v1/cycles': reads('Starts a learning cycle.', 'Learning', 'admin', 'Cycle', {
    body: { name: 'StartCycle', required: false, example: { gate: true } },
    replies: { 202: { says: 'It has begun.', body: 'Cycle' } },
    errors: [409, 502, 503],
  }),
};
