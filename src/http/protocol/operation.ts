/** What /openapi.json says of a protocol beyond its path and its fields. */
import { z } from 'zod';

/** A body with the name it has among the components of the document. */
interface NamedBody {
  readonly name: string;
  readonly schema: z.ZodType;
}

export interface ProtocolOperation {
  readonly summary: string;
  /** A request that can be sent as it stands. */
  readonly example: unknown;
  /** What a request is answered with that asks for no stream. */
  readonly reply: NamedBody & { readonly says: string };
  /** Present where no answer is a stream. */
  readonly whole?: true | undefined;
  /** Statuses of errors beyond those that every protocol has. */
  readonly errors?: readonly number[] | undefined;
}

export const ServerToolUseShape = z.object({
  requested: z.int(),
  executed: z.int(),
  by_tool: z.record(z.string(), z.int()),
  left_out: z.int().optional().describe('Calls beyond the 128 that count of one action, whoever was to run them.'),
});

/** The limit of the loop that ended an answer, where one did: every protocol tells it in this field. */
export const LoopLimit = z
  .object({
    stop_reason: z.string().optional(),
    left_out: z.array(z.string()).optional().describe('What was beside the text and has no form in this protocol.'),
  })
  .optional()
  .describe('The limit of the loop that ended the answer, and what was left out of it, where there is such.');
