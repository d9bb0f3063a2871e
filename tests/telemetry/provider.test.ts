/** Whose an upstream is. */
import { expect, it } from 'vitest';

import { providerAt } from '../../src/telemetry/provider.js';

it('is told by its host, whatever region, customer or port stands with it', () => {
  expect(providerAt('api.groq.com')).toBe('groq');
  expect(providerAt('API.Mistral.ai:443')).toBe('mistral_ai');
  expect(providerAt('mine.openai.azure.com')).toBe('azure.ai.openai');
  expect(providerAt('us-central1-aiplatform.googleapis.com')).toBe('gcp.vertex_ai');
});

it('is its protocol where nobody knows it, and where a name only looks like a known one', () => {
  expect(
    ['api.openai.com', '127.0.0.1:8000', '[::1]:8000', 'notapi.groq.com.example', 'xapi.groq.com'].map(providerAt),
  ).toEqual(Array(5).fill('openai'));
});
