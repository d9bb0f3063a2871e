/** The OpenAI Agents SDK of Node, over both of its models. */
import * as asked from './runner.mjs';

const { Agent, OpenAIProvider, Runner, setTracingDisabled, tool } = asked.installed('@openai/agents');

setTracingDisabled(true);
const weather = tool({
  name: 'weather',
  description: 'The weather.',
  parameters: asked.parameters,
  strict: true,
  execute: asked.weather,
});
const agent = new Agent({ name: 'a', instructions: 'Be brief.', model: asked.model, tools: [weather] });
const modelProvider = new OpenAIProvider({
  apiKey: 'any',
  baseURL: asked.baseURL,
  useResponses: asked.api === 'responses',
});
const runner = new Runner({ modelProvider });

await asked.run(async () => {
  if (asked.picture !== undefined) {
    const image = { type: 'input_image', image: `data:image/png;base64,${asked.picture}` };
    asked.keep([
      { role: 'user', content: [{ type: 'input_text', text: 'Look.' }, image] },
      { role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'I see.' }] },
    ]);
    return;
  }
  const input = [...asked.history(), { role: 'user', content: asked.words }];
  if (!asked.streamed) {
    const result = await runner.run(agent, input);
    console.log(result.finalOutput);
    asked.keep(result.history);
    return;
  }
  const result = await runner.run(agent, input, { stream: true });
  for await (const delta of result.toTextStream()) asked.tell(delta);
  await result.completed;
  asked.keep(result.history);
});
