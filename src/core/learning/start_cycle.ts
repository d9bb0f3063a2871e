/** What a request to start a cycle says. By itself: threads that read cycles are up sooner without a schema. */
import { z } from 'zod';

export const StartCycle = z.strictObject({ gate: z.boolean().default(true) });
export type StartCycle = z.infer<typeof StartCycle>;
