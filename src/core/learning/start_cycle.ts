/**
 * What requests to start say: a cycle, or again. By themselves: threads that read cycles are up sooner without a
 * schema.
 */
import { z } from 'zod';

export const StartCycle = z.strictObject({ gate: z.boolean().default(true) });
export type StartCycle = z.infer<typeof StartCycle>;

/** The version to start again from; without it the newest that the trainer has. */
export const Restart = z.strictObject({ version: z.int().min(0).optional() });
export type Restart = z.infer<typeof Restart>;
