import { defineConfig } from 'vitest/config';

/** The guards alone, which read the source and start nothing. */
export default defineConfig({ test: { include: ['tests/guards/**/*.test.ts'] } });
